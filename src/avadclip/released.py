"""The authors' published weights as our networks: every tensor name of theirs, and what it is called here."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from avadclip.config import NetworkConfig
from avadclip.errors import CheckpointError
from avadclip.nn.models import Network, build_network
from avadclip.nn.prompts import CONTEXT_TOKENS
from avadclip.nn.temporal import TCN_LEVELS

ReleasedKind = Literal["teacher", "visual student"]

CONFIG = NetworkConfig(variant="released")
FEATURE_DIM = 512  # CLIP's and Wav2CLIP's width, which is D here: the features enter as they are
PROMPT_TABLE = "text_prompt_embeddings.weight"
FOCAL_ALPHA = "alpha"

# The whole frozen CLIP, which is loaded separately, and a parameter that the released network never reads.
_IGNORED_PREFIXES = ("clipmodel.", "disAdj.sigma")
_ADVICE = "use model_xd_t.pth for the teacher, model_xd_s.pth for the student, as published"

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


def network_from_released(
    state: Mapping[str, Tensor], kind: ReleasedKind, *, origin: str = "the state dict"
) -> ReleasedNetwork:
    """Build our network from a published state dict.

    Args:
        state: tensors under the authors' names.
        kind: which network the file is of; its attention window is not in the file.
        origin: what an error message calls the state dict.

    Raises:
        CheckpointError: a tensor is missing, unknown, of another shape, or differs between its two registrations.
    """
    theirs = {name: tensor for name, tensor in state.items() if not name.startswith(_IGNORED_PREFIXES)}
    # Modules start at random, but these weights are replaced: the caller's random numbers stay as they are.
    with torch.random.fork_rng(devices=[]):
        network = build_network(kind, CONFIG, visual_dim=FEATURE_DIM, audio_dim=FEATURE_DIM).eval()
    ours = network.state_dict()
    names = released_names(kind, ours)
    needed = {name: tuple(ours[own].shape) for name, own in names.items()}
    needed[PROMPT_TABLE] = (CONTEXT_TOKENS, FEATURE_DIM)
    _check(theirs, needed, origin=f"{origin}, read as the released {kind}")
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


def _check(theirs: Mapping[str, Tensor], needed: dict[str, tuple[int, ...]], *, origin: str) -> None:
    """Exactly the needed names, second registrations aside, in the needed shapes."""
    twins = {name: twin for name in theirs if (twin := _first_registration(name)) != name}
    unknown = sorted(theirs.keys() - needed.keys() - twins.keys() - {FOCAL_ALPHA})
    missing = sorted({*needed, FOCAL_ALPHA, *twins.values()} - theirs.keys())
    if missing:
        raise CheckpointError(f"{origin}: {len(missing)} tensors are missing, the first is {missing[0]}; {_ADVICE}")
    if unknown:
        raise CheckpointError(f"{origin}: {len(unknown)} tensors are unknown, the first is {unknown[0]}; {_ADVICE}")
    for name, shape in needed.items():
        if tuple(theirs[name].shape) != shape:
            found = tuple(theirs[name].shape)
            raise CheckpointError(f"{origin}: {name} has shape {found}, needed {shape}; {_ADVICE}")
    if theirs[FOCAL_ALPHA].dim() != 1:
        raise CheckpointError(f"{origin}: {FOCAL_ALPHA} has {theirs[FOCAL_ALPHA].dim()} axes, needed [C]; {_ADVICE}")
    for name, twin in twins.items():
        if not torch.equal(theirs[name], theirs[twin]):
            raise CheckpointError(f"{origin}: {name} and {twin} differ, they are one tensor; {_ADVICE}")


def _first_registration(name: str) -> str:
    """Every convolution of the TCN is registered twice: `.net.0` is `.conv1`, `.net.4` is `.conv2`."""
    return name.replace(".net.0.", ".conv1.").replace(".net.4.", ".conv2.")
