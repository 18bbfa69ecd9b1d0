"""Find anomalous events in untrimmed video with sound, learning from one label per video.

The names in `__all__` are the public interface; each is imported when it is first used.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avadclip.apps.live.delivery import Sink
    from avadclip.apps.live.ledger import Waiting
    from avadclip.config import FrozenConfig
    from avadclip.data.datasets import load_dataset
    from avadclip.encoders.base import AudioEncoder, Encoders, VisualEncoder
    from avadclip.encoders.load import EncoderOptions
    from avadclip.evaluation.evaluate import evaluate
    from avadclip.events import Event, EventRules
    from avadclip.features.extract import extract_features
    from avadclip.inference.checkpoint import load_checkpoint
    from avadclip.inference.detector import Detection, Detector, load_detector
    from avadclip.model.avadclip import AVadCLIP
    from avadclip.model.base import Bags, Batch, Outputs, System
    from avadclip.training.experiment import train

__version__ = "0.1.0"

__all__ = [
    "AVadCLIP",
    "AudioEncoder",
    "Bags",
    "Batch",
    "Detection",
    "Detector",
    "EncoderOptions",
    "Encoders",
    "Event",
    "EventRules",
    "FrozenConfig",
    "Outputs",
    "Sink",
    "System",
    "VisualEncoder",
    "Waiting",
    "__version__",
    "evaluate",
    "extract_features",
    "load_checkpoint",
    "load_dataset",
    "load_detector",
    "train",
]

_MODULES = {
    "AVadCLIP": "model.avadclip",
    "AudioEncoder": "encoders.base",
    "Bags": "model.base",
    "Batch": "model.base",
    "Detection": "inference.detector",
    "Detector": "inference.detector",
    "EncoderOptions": "encoders.load",
    "Encoders": "encoders.base",
    "Event": "events",
    "EventRules": "events",
    "FrozenConfig": "config",
    "Outputs": "model.base",
    "Sink": "apps.live.delivery",
    "System": "model.base",
    "VisualEncoder": "encoders.base",
    "Waiting": "apps.live.ledger",
    "evaluate": "evaluation.evaluate",
    "extract_features": "features.extract",
    "load_checkpoint": "inference.checkpoint",
    "load_dataset": "data.datasets",
    "load_detector": "inference.detector",
    "train": "training.experiment",
}

# ONNX Runtime sends telemetry unless this is set before its first import; docs/intended-use.md promises none.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'avadclip' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"avadclip.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
