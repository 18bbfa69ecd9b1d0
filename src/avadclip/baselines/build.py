"""The compared systems by name."""

import inspect
from collections.abc import Sequence

from avadclip.baselines.avcl import Avcl
from avadclip.baselines.avvd import Avvd
from avadclip.baselines.clip_tsa import ClipTsa
from avadclip.baselines.cu_net import CuNet
from avadclip.baselines.deep_mil import DeepMil
from avadclip.baselines.efficient_prompt import EfficientPrompt
from avadclip.baselines.fvai import Fvai
from avadclip.baselines.hl_net import HlNet
from avadclip.baselines.linear_probe import LinearProbe
from avadclip.baselines.macil_sd import MacilSd
from avadclip.baselines.rtfm import Rtfm
from avadclip.baselines.ur_dmu import UrDmu
from avadclip.model.base import System
from avadclip.model.class_text import PromptEncoder

SYSTEMS: dict[str, type[System]] = {
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
    "linear-probe": LinearProbe,
}
"""Each is built from those of build_system's arguments that its constructor names."""


def build_system(
    name: str, *, visual_dim: int, audio_dim: int, classes: Sequence[str], text: PromptEncoder | None = None
) -> System:
    """Build an untrained system.

    Args:
        name: a key of SYSTEMS.
        visual_dim, audio_dim: widths of the features.
        classes: C names, `normal` first.
        text: CLIP's text encoder, for training a system that reads class words.
    """
    offered = {"visual_dim": visual_dim, "audio_dim": audio_dim, "classes": classes, "text": text}
    system = SYSTEMS[name]
    built = system(**{argument: offered[argument] for argument in inspect.signature(system).parameters})
    built.name, built.classes = name, tuple(classes)
    return built
