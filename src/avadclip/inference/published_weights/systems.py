"""Published weights of comparison systems on I3D and VGGish features: every tensor name of theirs, and ours."""

from pathlib import Path
from typing import NamedTuple

import torch

from avadclip.baselines.build import build_system
from avadclip.config import NetworkConfig
from avadclip.encoders.convert import refuse_to_overwrite
from avadclip.encoders.weight_formats import is_torchscript, read_pickled
from avadclip.events import UNVALIDATED
from avadclip.features.snippets import Provenance
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader, save_checkpoint
from avadclip.inference.published_weights.networks import CLASSES, PROMPT_TABLE
from avadclip.inference.published_weights.tensors import check_tensors, theirs_to_ours
from avadclip.model.base import System
from avadclip.timeline import SnippetGrid

VISUAL_DIM, AUDIO_DIM = 1024, 128  # of I3D's RGB stream and of VGGish
FEATURES = Provenance(grid=SnippetGrid(), visual={"name": "i3d-rgb"}, audio={"name": "vggish"})

CARD = """\
# {title} as published by its authors, for XD-Violence

| | |
|---|---|
| network | {title}, picture and sound; a binary detector: no class predictions |
| source | {file}, of {published_by} |
| features | I3D (RGB, 1024) and VGGish (128) as published for XD-Violence; nothing here extracts these |

**Not measured here.** The weights were chosen by their authors, as far as is known on the test split (`selection` is
`test`). An event counts from a score of {threshold}, which is not validated, and nothing raises an alarm.
"""


class Published(NamedTuple):
    """One published file."""

    title: str
    published_by: str
    mark: str
    """A tensor that no other known file has."""
    modules: dict[str, str]
    """Theirs to ours, by the module that the names start with."""
    unread: tuple[str, ...]
    """Names that start so are in the file, but never read by the authors' network."""


PUBLISHED: dict[str, Published] = {
    "hl-net": Published(
        title="HL-Net",
        published_by="github.com/Roc-Ng/XDVioDet",
        mark="conv1d_approximator.weight",
        modules={
            "conv1d1": "trunk.first",
            "conv1d2": "trunk.second",
            "approximator.0": "trunk.online.first",
            "approximator.2": "trunk.online.second",
            "conv1d_approximator": "trunk.online.score",
            "gc1": "trunk.similarity_stream.first",
            "gc2": "trunk.similarity_stream.second",
            "gc3": "trunk.distance_stream.first",
            "gc4": "trunk.distance_stream.second",
            "gc5": "trunk.score_stream.first",
            "gc6": "trunk.score_stream.second",
            "classifier": "classify",
        },
        unread=("conv1d3.", "conv1d4.", "simAdj.", "disAdj."),
    ),
    "macil-sd": Published(
        title="MACIL-SD",
        published_by="github.com/JustinYuu/MACIL_SD",
        mark="att_mmil.fc.weight",
        modules={
            "fc_v": "network.visual_in",
            "fc_a": "network.audio_in",
            "cma.layer.self_attn.linears.0": "network.layer.attention.query",
            "cma.layer.self_attn.linears.1": "network.layer.attention.key",
            "cma.layer.self_attn.linears.2": "network.layer.attention.value",
            "cma.layer.self_attn.linears.3": "network.layer.attention.out",
            "cma.layer.feed_forward.w_1": "network.layer.expand",
            "cma.layer.feed_forward.w_2": "network.layer.contract",
            "cma.layer.sublayer.0.norm": "network.layer.norm_attention",
            "cma.layer.sublayer.1.norm": "network.layer.norm_feed_forward",
            "att_mmil.fc": "network.classify",
        },
        unread=("multiheadattn.", "feedforward.", "cma.layer.self_attn.layer_norm."),
    ),
}


def recognise(path: Path) -> str | None:
    """Whose published file this is; None for an encoder's, or one that is not known. Raises WeightsError."""
    if is_torchscript(path):  # as OpenAI's CLIP is
        return None
    names = read_pickled(path).keys()
    if any(name.endswith(PROMPT_TABLE) for name in names):
        return "VadCLIP"
    return next((name for name, published in PUBLISHED.items() if published.mark in names), None)


def read_system(path: Path, name: str) -> System:
    """Read a published file without running anything in it.

    Raises:
        WeightsError: no readable file of tensors.
        CheckpointError: a tensor is missing, unknown, of another shape or dtype, or not finite.
    """
    published = PUBLISHED[name]
    theirs = {key: tensor for key, tensor in read_pickled(path).items() if not key.startswith(published.unread)}
    # Modules start at random, but these weights are replaced: the caller's random numbers stay as they are.
    with torch.random.fork_rng(devices=[]):
        system = build_system(name, visual_dim=VISUAL_DIM, audio_dim=AUDIO_DIM, classes=CLASSES).frozen()
    ours = system.tensors()
    names = theirs_to_ours(published.modules, ours)
    needed = {key: tuple(ours[own].shape) for key, own in names.items()}
    advice = f"{published.published_by} has the file"
    check_tensors(theirs, needed, origin=f"{path}, read as the published {published.title}", advice=advice)
    return system.with_tensors({own: theirs[key] for key, own in names.items()})


def convert_system(path: Path, name: str, out: Path) -> Checkpoint:
    """Write a published file as a checkpoint; raises as read_system, and WeightsError where `out` exists already."""
    refuse_to_overwrite(out)
    published = PUBLISHED[name]
    header = CheckpointHeader(
        name=f"{name}-released-xd",
        classes=CLASSES,
        encoders="i3d-vggish",
        features=FEATURES,
        visual_dim=VISUAL_DIM,
        audio_dim=AUDIO_DIM,
        network=NetworkConfig(),
        thresholds={name: UNVALIDATED},
        selection={name: "test"},
        card=CARD.format(
            title=published.title,
            file=path.name,
            published_by=published.published_by,
            threshold=UNVALIDATED.detection,
        ),
    )
    checkpoint = Checkpoint(header, {name: read_system(path, name)})
    save_checkpoint(out, checkpoint)
    return checkpoint
