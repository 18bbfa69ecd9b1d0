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
from avadclip.plugins import Registry

ARGUMENTS = ("visual_dim", "audio_dim", "classes", "text")
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


def _problem_of(part: object) -> str | None:
    if not (isinstance(part, type) and issubclass(part, System)):
        kind = f"the class {part.__name__}" if isinstance(part, type) else f"a {type(part).__name__}"
        return f"it is {kind}, needed a subclass of avadclip.System"
    missing = sorted(part.__abstractmethods__)
    if not isinstance(getattr(part, "uses_audio", None), bool):
        missing.append("uses_audio")
    if missing:
        return f"{part.__name__} lacks {', '.join(missing)}"
    unknown = [name for name in inspect.signature(part).parameters if name not in ARGUMENTS]
    if unknown:
        return f"the constructor of {part.__name__} takes {unknown[0]}, needed names out of {', '.join(ARGUMENTS)}"
    return None


COMPARED = Registry("system", "avadclip.systems", SYSTEMS, SYSTEMS.__getitem__, _problem_of)
"""The compared systems, and those of plug-ins."""


def build_system(
    name: str, *, visual_dim: int, audio_dim: int, classes: Sequence[str], text: PromptEncoder | None = None
) -> System:
    """Build an untrained system.

    Args:
        name: a name in COMPARED.
        visual_dim, audio_dim: widths of the features.
        classes: C names, `normal` first.
        text: CLIP's text encoder, for training a system that reads class words.

    Raises:
        ConfigError: an unknown name, or a plug-in that cannot be used.
    """
    offered = dict(zip(ARGUMENTS, (visual_dim, audio_dim, classes, text), strict=True))
    system = COMPARED.find(name)
    built = system(**{argument: offered[argument] for argument in inspect.signature(system).parameters})
    built.name, built.classes = name, tuple(classes)
    return built
