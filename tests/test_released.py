"""The authors' state dicts: every name, and the released forward pass written out plainly on their tensors."""

import math

import pytest
import torch
from torch import Tensor

from avadclip.errors import CheckpointError
from avadclip.nn.models import Bags
from avadclip.released import ReleasedKind, network_from_released

State = dict[str, Tensor]

KINDS: list[ReleasedKind] = ["teacher", "visual student"]
DIM, CLASSES, POSITIONS = 512, 7, 256
WINDOW = {"teacher": 4, "visual student": 64}


def weight_and_bias(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def released_shapes(kind: ReleasedKind) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the published files; a convolution's second registration and CLIP are added elsewhere."""
    shapes: dict[str, tuple[int, ...]] = {
        "frame_position_embeddings.weight": (POSITIONS, DIM),
        "text_prompt_embeddings.weight": (77, DIM),
        "alpha": (CLASSES,),
        **weight_and_bias("linear", DIM, DIM),
        **weight_and_bias("classifier", 1, DIM),
    }
    for mlp in ("mlp1", "mlp2", *(f"temporal.resblocks.{i}.mlp" for i in range(2 if kind == "teacher" else 1))):
        shapes |= weight_and_bias(f"{mlp}.c_fc", 4 * DIM, DIM) | weight_and_bias(f"{mlp}.c_proj", DIM, 4 * DIM)
    for block in range(2 if kind == "teacher" else 1):
        name = f"temporal.resblocks.{block}"
        shapes |= {f"{name}.attn.in_proj_weight": (3 * DIM, DIM), f"{name}.attn.in_proj_bias": (3 * DIM,)}
        shapes |= weight_and_bias(f"{name}.attn.out_proj", DIM, DIM)
        shapes |= weight_and_bias(f"{name}.ln_1", DIM) | weight_and_bias(f"{name}.ln_2", DIM)
    for first, second in (("gc1", "gc2"), ("gc3", "gc4")):
        shapes |= {f"{first}.weight": (DIM, 256), f"{second}.weight": (256, 256)}
        shapes |= weight_and_bias(f"{first}.residual", 256, DIM, 5)
    if kind == "teacher":
        for level in range(3):
            for conv in ("conv1", "conv2"):
                name = f"temporalconvnet.network.{level}.{conv}"
                shapes |= {f"{name}.weight_g": (DIM, 1, 1), f"{name}.weight_v": (DIM, DIM, 2), f"{name}.bias": (DIM,)}
        shapes |= weight_and_bias("temporalgatedresidual.gate_proj.0", DIM, 2 * DIM)
        shapes |= weight_and_bias("temporalgatedresidual.residual_proj.0", DIM, 2 * DIM)
        shapes |= weight_and_bias("temporalgatedresidual.residual_proj.2", DIM, DIM)
    else:
        for block in range(3):
            shapes |= weight_and_bias(f"fe_net.conv.{block}.conv.0", DIM, DIM, 3)
        for index, kernel in ((0, 1), (2, 3), (3, 1)):
            shapes |= weight_and_bias(f"fe_net.theta.theta.{index}", DIM, DIM, kernel)
    return shapes


def random_state(kind: ReleasedKind) -> State:
    """A state dict of the published shape, with whatever else stands in the published file."""
    generator = torch.Generator().manual_seed(1)
    state = {}
    for name, shape in released_shapes(kind).items():
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 9
        state[name] = torch.randn(shape, generator=generator) * fan_in**-0.5
        if name in ("gc3.weight", "gc4.weight"):
            state[name] /= 6  # rows of the distance adjacency sum to about 6
        if name.endswith(("weight_g", "ln_1.weight", "ln_2.weight")):
            state[name] = 1.0 + 0.3 * torch.rand(shape, generator=generator)
    for name in [name for name in state if name.startswith("temporalconvnet.")]:
        state[name.replace(".conv1.", ".net.0.").replace(".conv2.", ".net.4.")] = state[name]
    return {**state, "disAdj.sigma": torch.ones(1), "clipmodel.visual.proj": torch.zeros(768, DIM)}


def affine(state: State, name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def mlp(state: State, name: str, x: Tensor) -> Tensor:
    hidden = affine(state, f"{name}.c_fc", x)
    return affine(state, f"{name}.c_proj", hidden * torch.sigmoid(1.702 * hidden))


def layer_norm(state: State, name: str, x: Tensor) -> Tensor:
    centred = x - x.mean(dim=-1, keepdim=True)
    deviation = (centred.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
    return centred / deviation * state[f"{name}.weight"] + state[f"{name}.bias"]


def convolve(x: Tensor, weight: Tensor, bias: Tensor, *, past: int, dilation: int = 1) -> Tensor:
    """[T, in] to [T, out]: tap k of the kernel reads snippet t + k * dilation - past; zeros outside."""
    out = bias.expand(len(x), -1).clone()
    for tap in range(weight.shape[2]):
        shift = tap * dilation - past
        source = x[max(shift, 0) : len(x) + min(shift, 0)]
        out[max(-shift, 0) : len(x) - max(shift, 0)] += source @ weight[:, :, tap].T
    return out


def centred_conv(state: State, name: str, x: Tensor) -> Tensor:
    weight = state[f"{name}.weight"]
    return convolve(x, weight, state[f"{name}.bias"], past=weight.shape[2] // 2)


def graph_stream(state: State, first: str, second: str, x: Tensor, adjacency: Tensor) -> Tensor:
    hidden = adjacency @ x @ state[f"{first}.weight"] + centred_conv(state, f"{first}.residual", x)
    hidden = hidden * torch.sigmoid(1.702 * hidden)
    out = adjacency @ hidden @ state[f"{second}.weight"] + hidden
    return out * torch.sigmoid(1.702 * out)


def visual_temporal(state: State, kind: ReleasedKind, x: Tensor, length: int) -> Tensor:
    """One window [256, 512], padding and all; only the similarity graph knows its length."""
    x = x + state["frame_position_embeddings.weight"]
    index = torch.arange(POSITIONS)
    stretch = index // WINDOW[kind]
    for block in range(2 if kind == "teacher" else 1):
        name = f"temporal.resblocks.{block}"
        query, key, value = (
            layer_norm(state, f"{name}.ln_1", x) @ state[f"{name}.attn.in_proj_weight"].T
            + state[f"{name}.attn.in_proj_bias"]
        ).split(DIM, dim=1)
        logits = (query @ key.T / math.sqrt(DIM)).masked_fill(stretch[:, None] != stretch[None, :], -math.inf)
        x = x + affine(state, f"{name}.attn.out_proj", logits.softmax(dim=1) @ value)
        x = x + mlp(state, f"{name}.mlp", layer_norm(state, f"{name}.ln_2", x))
    own = x[:length]
    cosine = own @ own.T / (own.norm(dim=1)[:, None] * own.norm(dim=1)[None, :] + 1e-20)
    similar = torch.zeros(POSITIONS, POSITIONS)
    similar[:length, :length] = torch.where(cosine > 0.7, cosine, 0.0).softmax(dim=1)
    near = torch.exp(-(index[:, None] - index[None, :]).abs() / math.e)
    streams = [graph_stream(state, "gc1", "gc2", x, similar), graph_stream(state, "gc3", "gc4", x, near)]
    return affine(state, "linear", torch.cat(streams, dim=1))


def audio_temporal(state: State, x: Tensor) -> Tensor:
    for level in range(3):
        hidden = x
        for conv in ("conv1", "conv2"):
            name = f"temporalconvnet.network.{level}.{conv}"
            direction = state[f"{name}.weight_v"]
            weight = state[f"{name}.weight_g"] * direction / direction.flatten(1).norm(dim=1)[:, None, None]
            dilation = 2**level
            hidden = convolve(hidden, weight, state[f"{name}.bias"], past=dilation, dilation=dilation).relu()
        x = (x + hidden).relu()
    return x


def released_features(state: State, kind: ReleasedKind, visual: Tensor, audio: Tensor, length: int) -> Tensor:
    x = visual_temporal(state, kind, visual, length)
    if kind == "teacher":
        name = "temporalgatedresidual"
        both = torch.cat([x, audio_temporal(state, audio)], dim=1)
        residual = affine(state, f"{name}.residual_proj.0", both)
        residual = residual * 0.5 * (1 + torch.erf(residual / math.sqrt(2)))
        gate = torch.sigmoid(affine(state, f"{name}.gate_proj.0", both))
        return x + gate * affine(state, f"{name}.residual_proj.2", residual)
    for block in range(3):
        x = x + centred_conv(state, f"fe_net.conv.{block}.conv.0", x).relu()
    return x


def released_branches(state: State, x: Tensor, class_features: Tensor) -> tuple[Tensor, Tensor]:
    """Raw anomaly logits [256] and the alignment map [256, C]."""
    logits = affine(state, "classifier", x + mlp(state, "mlp2", x)).squeeze(1)
    prompt = logits @ x  # raw logits, padding included
    mixed = (prompt / prompt.norm()).expand(CLASSES, -1)
    similarity = (class_features @ mixed.T).softmax(dim=-1)  # over C identical columns
    z = class_features + similarity @ mixed
    vectors = z + mlp(state, "mlp1", z)
    cosine = (x / x.norm(dim=1, keepdim=True)) @ (vectors / vectors.norm(dim=1, keepdim=True)).T
    return logits, cosine / 0.07


def released_theta(state: State, x: Tensor) -> Tensor:
    hidden = centred_conv(state, "fe_net.theta.theta.0", x).relu()
    hidden = centred_conv(state, "fe_net.theta.theta.3", centred_conv(state, "fe_net.theta.theta.2", hidden)).relu()
    return -(x + hidden)


@pytest.mark.parametrize("kind", KINDS)
def test_a_released_state_dict_gives_the_outputs_of_the_released_forward_pass(kind: ReleasedKind) -> None:
    torch.set_num_threads(1)
    state = random_state(kind)
    network, table, alpha = network_from_released(state, kind)
    lengths = [256, 37, 1]
    generator = torch.Generator().manual_seed(2)
    # A common part, so that cosines fall on both sides of the similarity graph's threshold.
    visual, audio = (
        torch.randn(3, POSITIONS, DIM, generator=generator) + torch.randn(DIM, generator=generator) for _ in range(2)
    )
    valid = torch.arange(POSITIONS) < torch.tensor(lengths)[:, None]
    visual, audio = visual * valid[..., None], audio * valid[..., None]
    class_features = torch.randn(CLASSES, DIM, generator=generator)
    with torch.no_grad():
        encoded = network.encode(Bags(visual, audio, valid))
        alignment = network.align(encoded.features, class_features, encoded.pooled)
        for bag, length in enumerate(lengths):
            features = released_features(state, kind, visual[bag], audio[bag], length)
            logits, expected_map = released_branches(state, features, class_features)
            torch.testing.assert_close(encoded.features[bag], features, rtol=0, atol=1e-4)
            torch.testing.assert_close(encoded.anomaly_logits[bag], logits, rtol=0, atol=1e-4)
            torch.testing.assert_close(alignment[bag], expected_map, rtol=0, atol=1e-4)
            if encoded.log_variance is not None:
                torch.testing.assert_close(
                    encoded.log_variance[bag], released_theta(state, features), rtol=0, atol=1e-4
                )
    assert torch.equal(table, state["text_prompt_embeddings.weight"])
    assert torch.equal(alpha, state["alpha"])


@pytest.mark.parametrize(("kind", "number"), [("teacher", 17_106_440), ("visual student", 13_163_016)])
def test_what_is_read_is_all_that_is_trained(kind: ReleasedKind, number: int) -> None:
    network, table, alpha = network_from_released(random_state(kind), kind)
    assert sum(p.numel() for p in network.parameters()) + table.numel() + alpha.numel() == number
    assert sum(math.prod(shape) for shape in released_shapes(kind).values()) == number


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gc1.weight": None}, "1 tensors are missing, the first is gc1.weight"),
        ({"alpha": None}, "the first is alpha"),
        ({"gc9.weight": torch.ones(2)}, "1 tensors are unknown, the first is gc9.weight"),
        ({"gc2.weight": torch.ones(3, 2)}, r"gc2.weight has shape \(3, 2\), needed \(256, 256\)"),
        ({"alpha": torch.ones(2, 2)}, "alpha has 2 axes"),
        ({"temporalconvnet.network.1.net.4.bias": torch.ones(DIM)}, "net.4.bias and .*conv2.bias differ"),
    ],
)
def test_another_state_dict_is_refused_in_one_line(change: dict[str, Tensor | None], message: str) -> None:
    merged = {**random_state("teacher"), **change}
    state = {name: tensor for name, tensor in merged.items() if tensor is not None}
    with pytest.raises(CheckpointError, match=message) as caught:
        network_from_released(state, "teacher", origin="model.pth")
    assert str(caught.value).startswith("model.pth, read as the released teacher: ")
    assert "\n" not in str(caught.value)


def test_a_student_is_not_read_as_a_teacher() -> None:
    with pytest.raises(CheckpointError, match="missing"):
        network_from_released(random_state("visual student"), "teacher")
