"""The authors' published weights as our networks: every tensor name of theirs, and what it is called here."""

import itertools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from avadclip.config import NetworkConfig
from avadclip.encoders.clip import Clip
from avadclip.encoders.weight_formats import clip_from_openai_tensors, read_pickled
from avadclip.errors import CheckpointError
from avadclip.inference.networks import VISUAL_STUDENT, build_network
from avadclip.inference.published_weights.tensors import check_finite, check_tensors, theirs_to_ours
from avadclip.labels import XD_VIOLENCE_CODES
from avadclip.model.avadclip import OBJECTIVE
from avadclip.model.base import System
from avadclip.model.prompts import CONTEXT_TOKENS
from avadclip.model.temporal import TCN_LEVELS

ReleasedKind = Literal["teacher", "visual student", "VadCLIP"]
CLASSES = tuple(XD_VIOLENCE_CODES.values())

CONFIG = NetworkConfig(variant="released")
VADCLIP_CONFIG = CONFIG.model_copy(update={"enhancement_blocks": 0})
"""Of the visual student, which is then VadCLIP but for its uncertainty head: that takes no part in scoring."""
FEATURE_DIM = 512  # CLIP's and Wav2CLIP's width, which is D here: the features enter as they are
PROMPT_TABLE = "text_prompt_embeddings.weight"
FOCAL_ALPHA = "alpha"

PUBLISHED_BY = "the README of github.com/WanshunSu/AVadCLIP"

_CLIP_PREFIX = "clipmodel."
# The whole frozen CLIP, which is read apart, and a parameter that the released network never reads.
_IGNORED_PREFIXES = (_CLIP_PREFIX, "disAdj.sigma")
_WRAPPER_PREFIX = "module."  # before every name where the network was saved inside torch's DataParallel
_ADVICE = f"model_xd_t.pth is the teacher, model_xd_s.pth the student; {PUBLISHED_BY} links both"
VADCLIP_BY = "github.com/nwpu-zxr/VadCLIP"

# Names that start so are in one of the two files only.
_MARKS: dict[ReleasedKind, str] = {"teacher": "temporalconvnet.", "visual student": "fe_net."}

# Theirs to ours, by the module or the parameter that the names start with.
_ADAPTER = {
    "frame_position_embeddings.weight": "position_embedding",
    "gc1": "similarity_stream.first",
    "gc2": "similarity_stream.second",
    "gc3": "distance_stream.first",
    "gc4": "distance_stream.second",
    "linear": "join",
}
_TRANSFORMER_BLOCK = {
    "ln_1": "norm_attention",
    "attn.in_proj_weight": "query_key_value.weight",
    "attn.in_proj_bias": "query_key_value.bias",
    "attn.out_proj": "attention_out",
    "ln_2": "norm_feed_forward",
    "mlp.c_fc": "feed_forward.expand",
    "mlp.c_proj": "feed_forward.contract",
}
_BRANCHES = {
    "mlp1.c_fc": "prompt.feed_forward.expand",
    "mlp1.c_proj": "prompt.feed_forward.contract",
    "mlp2.c_fc": "classifier.feed_forward.expand",
    "mlp2.c_proj": "classifier.feed_forward.contract",
    "classifier": "classifier.classify",
}
_TCN_CONV = {
    "weight_g": "parametrizations.weight.original0",
    "weight_v": "parametrizations.weight.original1",
    "bias": "bias",
}
_TCN_CONVS = ("conv1", "conv2")
_FUSION = {
    "temporalgatedresidual.gate_proj.0": "encoder.fusion.gate",
    "temporalgatedresidual.residual_proj.0": "encoder.fusion.residual_in",
    "temporalgatedresidual.residual_proj.2": "encoder.fusion.residual_out",
}
_UNCERTAINTY = {
    "fe_net.theta.theta.0": "uncertainty.first",
    "fe_net.theta.theta.2": "uncertainty.second",
    "fe_net.theta.theta.3": "uncertainty.third",
}


class ReleasedNetwork(NamedTuple):
    """What one published file holds, the frozen CLIP left out."""

    network: System
    """Variant `released`, in evaluation mode."""
    prompt_table: Tensor
    """Learned text prompts, [77, 512], for LearnedPrompts."""
    alpha: Tensor | None
    """Focal weight per class, [C]; VadCLIP has none."""


class ReleasedFile(NamedTuple):
    """All that is used of one published file."""

    trained: ReleasedNetwork
    clip: Clip | None
    """The frozen CLIP inside, widened to float32; None where the file was saved without it."""


def read_released(path: Path, kind: ReleasedKind) -> ReleasedFile:
    """Read model_xd_t.pth, model_xd_s.pth or VadCLIP's model_xd.pth without running anything in it.

    Raises:
        WeightsError: no readable file of tensors, or the CLIP inside is not ViT-B/16.
        CheckpointError: not the network of this kind; see network_from_released.
    """
    state = read_pickled(path)
    if state and all(name.startswith(_WRAPPER_PREFIX) for name in state):
        state = {name.removeprefix(_WRAPPER_PREFIX): tensor for name, tensor in state.items()}
    trained = network_from_released(state, kind, origin=str(path))
    inside = {name.removeprefix(_CLIP_PREFIX): state[name] for name in state if name.startswith(_CLIP_PREFIX)}
    if not inside:
        return ReleasedFile(trained, None)
    clip = clip_from_openai_tensors(inside, f"{path}, its {_CLIP_PREFIX}*,")
    check_finite(clip.state_dict(), origin=f"{path}, its {_CLIP_PREFIX}*")
    return ReleasedFile(trained, clip)


def network_from_released(
    state: Mapping[str, Tensor], kind: ReleasedKind, *, origin: str = "the state dict"
) -> ReleasedNetwork:
    """Build our network from a published state dict.

    Args:
        state: tensors under the authors' names.
        kind: which network the file is of; its attention window is not in the file.
        origin: what an error message calls the state dict.

    Raises:
        CheckpointError: a tensor is missing, unknown, of another shape or dtype, not finite, or differs between its
            two registrations; or the file is of the other kind.
    """
    theirs = {name: tensor for name, tensor in state.items() if not name.startswith(_IGNORED_PREFIXES)}
    # Modules start at random, but these weights are replaced: the caller's random numbers stay as they are.
    is_vadclip = kind == "VadCLIP"
    with torch.random.fork_rng(devices=[]):
        network = build_network(
            VISUAL_STUDENT if is_vadclip else kind,
            visual_dim=FEATURE_DIM,
            audio_dim=FEATURE_DIM,
            classes=CLASSES,
            network=VADCLIP_CONFIG if is_vadclip else CONFIG,
        ).eval()
    # The class features come from the prompts, alpha is needed for training only.
    ours = {
        name: tensor for name, tensor in network.state_dict().items() if not name.startswith(("class_text.", OBJECTIVE))
    }
    absent = {name: torch.zeros_like(ours[name]) for name in ours if is_vadclip and name.startswith("uncertainty.")}
    names = theirs_to_ours(_modules(kind), {name: tensor for name, tensor in ours.items() if name not in absent})
    needed = {name: tuple(ours[own].shape) for name, own in names.items()}
    needed[PROMPT_TABLE] = (CONTEXT_TOKENS, FEATURE_DIM)
    _check(theirs, needed, kind=kind, origin=origin)
    network.load_state_dict(network.state_dict() | {own: theirs[name] for name, own in names.items()} | absent)
    alpha = None if is_vadclip else theirs[FOCAL_ALPHA].float()
    return ReleasedNetwork(network, theirs[PROMPT_TABLE].float(), alpha)


def _modules(kind: ReleasedKind) -> dict[str, str]:
    """Theirs to ours, by the module or parameter that the names start with."""
    is_teacher = kind == "teacher"
    adapter = "encoder.visual_temporal" if is_teacher else "encoder.temporal"
    own = {theirs: f"{adapter}.{ours}" for theirs, ours in _ADAPTER.items()} | _BRANCHES
    for block in range((CONFIG.teacher_temporal if is_teacher else CONFIG.student_temporal).num_blocks):
        for theirs, ours in _TRANSFORMER_BLOCK.items():
            own[f"temporal.resblocks.{block}.{theirs}"] = f"{adapter}.blocks.{block}.{ours}"
    if kind == "VadCLIP":
        return own
    if kind == "visual student":
        for block in range(CONFIG.enhancement_blocks):
            own[f"fe_net.conv.{block}.conv.0"] = f"encoder.enhancement.{block}.conv"
        return own | _UNCERTAINTY
    for level, conv, part in itertools.product(range(TCN_LEVELS), range(2), _TCN_CONV):
        theirs = f"temporalconvnet.network.{level}.{_TCN_CONVS[conv]}.{part}"
        own[theirs] = f"encoder.audio_temporal.levels.{level}.convs.{conv}.{_TCN_CONV[part]}"
    return own | _FUSION


def _check(
    theirs: Mapping[str, Tensor], needed: dict[str, tuple[int, ...]], *, kind: ReleasedKind, origin: str
) -> None:
    """Exactly the needed names and second registrations of them, and alpha of any length."""
    _check_kind(theirs, kind, origin)
    origin = f"{origin}, read as the released {kind}"
    advice = f"{VADCLIP_BY} links model_xd.pth" if kind == "VadCLIP" else _ADVICE
    twins = {name: twin for name in theirs if (twin := _first_registration(name)) != name}
    of_twins = {name: needed[twin] for name, twin in twins.items() if twin in needed}
    of_alpha = {}
    if kind != "VadCLIP":
        alpha = theirs.get(FOCAL_ALPHA, torch.zeros(len(CLASSES)))
        if alpha.dim() != 1:
            raise CheckpointError(f"{origin}: {FOCAL_ALPHA} has {alpha.dim()} axes, needed [C]; {advice}")
        of_alpha = {FOCAL_ALPHA: tuple(alpha.shape)}
    check_tensors(theirs, needed | of_alpha | of_twins, origin=origin, advice=advice)
    for name, twin in twins.items():
        if not torch.equal(theirs[name], theirs[twin]):
            raise CheckpointError(f"{origin}: {name} and {twin} differ, they are one tensor; {advice}")


def _check_kind(names: Collection[str], kind: ReleasedKind, origin: str) -> None:
    """Detect a swapped pair of files by tensors that only one of the two has."""
    for other, mark in _MARKS.items():
        found = next((name for name in names if name.startswith(mark)), None)
        if other != kind and found is not None:
            # A file alone is taken for VadCLIP's.
            needed = "teacher and student together" if kind == "VadCLIP" else f"the {kind}"
            raise CheckpointError(f"{origin} is the released {other} (it holds {found}), needed {needed}; {_ADVICE}")


def _first_registration(name: str) -> str:
    """Every convolution of the TCN is registered twice: `.net.0` is `.conv1`, `.net.4` is `.conv2`."""
    return name.replace(".net.0.", ".conv1.").replace(".net.4.", ".conv2.")
