"""The authors' published weights as our networks: every tensor name of theirs, and what it is called here."""

import itertools
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from avadclip.config import NetworkConfig
from avadclip.encoders.clip import Clip
from avadclip.encoders.frozen import WEIGHT_DTYPES
from avadclip.encoders.weight_formats import clip_from_openai_tensors, read_pickled
from avadclip.errors import CheckpointError
from avadclip.nn.models import Network, build_network
from avadclip.nn.prompts import CONTEXT_TOKENS
from avadclip.nn.temporal import TCN_LEVELS

ReleasedKind = Literal["teacher", "visual student"]

CONFIG = NetworkConfig(variant="released")
FEATURE_DIM = 512  # CLIP's and Wav2CLIP's width, which is D here: the features enter as they are
PROMPT_TABLE = "text_prompt_embeddings.weight"
FOCAL_ALPHA = "alpha"

PUBLISHED_BY = "the README of github.com/WanshunSu/AVadCLIP"

_CLIP_PREFIX = "clipmodel."
# The whole frozen CLIP, which is read apart, and a parameter that the released network never reads.
_IGNORED_PREFIXES = (_CLIP_PREFIX, "disAdj.sigma")
_WRAPPER_PREFIX = "module."  # before every name where the network was saved inside torch's DataParallel
_ADVICE = f"model_xd_t.pth is the teacher, model_xd_s.pth the student; {PUBLISHED_BY} links both"

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

    network: Network
    """Variant `released`, in evaluation mode."""
    prompt_table: Tensor
    """Learned text prompts, [77, 512], for LearnedPrompts."""
    alpha: Tensor
    """Focal weight per class, [C]."""


class ReleasedFile(NamedTuple):
    """All that is used of one published file."""

    trained: ReleasedNetwork
    clip: Clip | None
    """The frozen CLIP inside, widened to float32; None where the file was saved without it."""


def read_released(path: Path, kind: ReleasedKind) -> ReleasedFile:
    """Read model_xd_t.pth or model_xd_s.pth without running anything in it.

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
    _check_finite(clip.state_dict(), origin=f"{path}, its {_CLIP_PREFIX}*")
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
    with torch.random.fork_rng(devices=[]):
        network = build_network(kind, CONFIG, visual_dim=FEATURE_DIM, audio_dim=FEATURE_DIM).eval()
    ours = network.state_dict()
    names = released_names(kind, ours)
    needed = {name: tuple(ours[own].shape) for name, own in names.items()}
    needed[PROMPT_TABLE] = (CONTEXT_TOKENS, FEATURE_DIM)
    _check(theirs, needed, kind=kind, origin=origin)
    network.load_state_dict({own: theirs[name] for name, own in names.items()})
    return ReleasedNetwork(network, theirs[PROMPT_TABLE].float(), theirs[FOCAL_ALPHA].float())


def released_names(kind: ReleasedKind, ours: Iterable[str]) -> dict[str, str]:
    """Theirs to ours, one to one, for all the names in our network's state dict."""
    theirs = {own: their for their, own in _modules(kind).items()}
    names = {}
    for name in ours:
        module = next(module for module in theirs if name == module or name.startswith(f"{module}."))
        names[theirs[module] + name.removeprefix(module)] = name
    return names


def _modules(kind: ReleasedKind) -> dict[str, str]:
    """Theirs to ours, by the module or parameter that the names start with."""
    is_teacher = kind == "teacher"
    adapter = "encoder.visual_temporal" if is_teacher else "encoder.temporal"
    own = {theirs: f"{adapter}.{ours}" for theirs, ours in _ADAPTER.items()} | _BRANCHES
    for block in range((CONFIG.teacher_temporal if is_teacher else CONFIG.student_temporal).num_blocks):
        for theirs, ours in _TRANSFORMER_BLOCK.items():
            own[f"temporal.resblocks.{block}.{theirs}"] = f"{adapter}.blocks.{block}.{ours}"
    if not is_teacher:
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
    """Exactly the needed names, second registrations aside, as finite numbers in the needed shapes."""
    _check_kind(theirs, kind, origin)
    origin = f"{origin}, read as the released {kind}"
    twins = {name: twin for name in theirs if (twin := _first_registration(name)) != name}
    missing = [name for name in (*needed, FOCAL_ALPHA, *twins.values()) if name not in theirs]
    unknown = [name for name in theirs if name not in {*needed, *twins, FOCAL_ALPHA}]
    if missing:
        shape = f" {list(needed[missing[0]])}" if missing[0] in needed else ""
        begins = f"; the file begins with {unknown[0]}" if unknown else ""
        raise CheckpointError(
            f"{origin}: {len(missing)} tensors are missing, the first is {missing[0]}{shape}{begins}; {_ADVICE}"
        )
    if unknown:
        first = f"{unknown[0]} {list(theirs[unknown[0]].shape)}"
        raise CheckpointError(f"{origin}: {len(unknown)} tensors are unknown, the first is {first}; {_ADVICE}")
    for name, tensor in theirs.items():
        expected = needed.get(twins.get(name, name), tensor.shape)
        if tuple(tensor.shape) != expected:
            found = f"{name} has shape {list(tensor.shape)}, needed {list(expected)}"
            raise CheckpointError(f"{origin}: {found}; {_ADVICE}")
        if tensor.dtype not in WEIGHT_DTYPES:
            raise CheckpointError(f"{origin}: {name} is {tensor.dtype}, needed float32, float16 or bfloat16; {_ADVICE}")
    if theirs[FOCAL_ALPHA].dim() != 1:
        raise CheckpointError(f"{origin}: {FOCAL_ALPHA} has {theirs[FOCAL_ALPHA].dim()} axes, needed [C]; {_ADVICE}")
    _check_finite(theirs, origin=origin)
    for name, twin in twins.items():
        if not torch.equal(theirs[name], theirs[twin]):
            raise CheckpointError(f"{origin}: {name} and {twin} differ, they are one tensor; {_ADVICE}")


def _check_kind(names: Collection[str], kind: ReleasedKind, origin: str) -> None:
    """A swapped pair of files is told by what one of the two alone has."""
    for other, mark in _MARKS.items():
        found = next((name for name in names if name.startswith(mark)), None)
        if other != kind and found is not None:
            raise CheckpointError(f"{origin} is the released {other} (it holds {found}), needed the {kind}; {_ADVICE}")


def _check_finite(tensors: Mapping[str, Tensor], *, origin: str) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise CheckpointError(f"{origin}: {name} holds a number that is not finite; download the file again")


def _first_registration(name: str) -> str:
    """Every convolution of the TCN is registered twice: `.net.0` is `.conv1`, `.net.4` is `.conv2`."""
    return name.replace(".net.0.", ".conv1.").replace(".net.4.", ".conv2.")
