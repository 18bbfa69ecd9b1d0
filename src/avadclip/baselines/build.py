"""The comparison systems by name."""

import inspect

from torch import nn

from avadclip.baselines.avcl import Avcl
from avadclip.baselines.avvd import Avvd
from avadclip.baselines.clip_tsa import ClipTsa
from avadclip.baselines.cu_net import CuNet
from avadclip.baselines.deep_mil import DeepMil
from avadclip.baselines.efficient_prompt import EfficientPrompt
from avadclip.baselines.fvai import Fvai
from avadclip.baselines.hl_net import HlNet
from avadclip.baselines.macil_sd import MacilSd
from avadclip.baselines.rtfm import Rtfm
from avadclip.baselines.system import System
from avadclip.baselines.ur_dmu import UrDmu
from avadclip.config import SystemName

SYSTEMS: dict[SystemName, type[System]] = {
    "deep-mil": DeepMil,
    "hl-net": HlNet,
    "rtfm": Rtfm,
    "efficient-prompt": EfficientPrompt,
    "ur-dmu": UrDmu,
    "clip-tsa": ClipTsa,
    "avvd": Avvd,
    "fvai": Fvai,
    "macil-sd": MacilSd,
    "cu-net": CuNet,
    "avcl": Avcl,
}
"""Each is made from those of build_system's arguments that its constructor names."""


def build_system(
    name: SystemName, *, visual_dim: int, audio_dim: int, num_classes: int, class_text: nn.Module | None = None
) -> System:
    """Build an untrained system.

    Args:
        name: see SYSTEMS.
        visual_dim, audio_dim: widths of the features.
        num_classes: C, `normal` included.
        class_text: gives the class features, [C, D], in training on encoders that can read class words; None where
            they cannot, and for scoring.
    """
    offered = {
        "visual_dim": visual_dim,
        "audio_dim": audio_dim,
        "num_classes": num_classes,
        "class_text": class_text,
    }
    system = SYSTEMS[name]
    return system(**{argument: offered[argument] for argument in inspect.signature(system).parameters})


def reads_class_words(name: SystemName) -> bool:
    """Whether a system learns from the words of its classes where the encoders can read them."""
    return "class_text" in inspect.signature(SYSTEMS[name]).parameters
