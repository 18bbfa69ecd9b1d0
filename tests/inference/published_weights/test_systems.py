"""The published files of HL-Net and MACIL-SD: every name, and their forward passes written out plainly."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from avadclip.errors import AvadclipError
from avadclip.inference.checkpoint import load_checkpoint
from avadclip.inference.published_weights.systems import convert_system, read_system, recognise
from avadclip.model.base import Bags

State = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

VISUAL, AUDIO = 1024, 128
FILES: dict[str, str] = {"hl-net": "wsanodet_mix2.pkl", "macil-sd": "macil_sd.pkl"}


def layer(name: str, *shape: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def hl_net_shapes() -> Shapes:
    shapes = layer("conv1d1", 512, VISUAL + AUDIO, 1) | layer("conv1d2", 128, 512, 1)
    shapes |= layer("conv1d3", 128, 512, 5) | layer("conv1d4", 32, 128, 5)  # unread
    shapes |= layer("approximator.0", 64, 128, 1) | layer("approximator.2", 32, 64, 1)
    shapes |= layer("conv1d_approximator", 1, 32, 5) | layer("classifier", 1, 96)
    for first, second in (("gc1", "gc2"), ("gc3", "gc4"), ("gc5", "gc6")):
        shapes |= {f"{first}.weight": (128, 32), f"{second}.weight": (32, 32)} | layer(f"{first}.residual", 32, 128, 5)
    return shapes | {"simAdj.weight0": (128, 32), "simAdj.weight1": (128, 32), "disAdj.sigma": (1,)}


def macil_shapes() -> Shapes:
    shapes = layer("fc_v", 128, VISUAL) | layer("fc_a", 128, AUDIO) | layer("att_mmil.fc", 1, 128)
    for owner in ("cma.layer.self_attn", "multiheadattn"):
        shapes |= layer(f"{owner}.layer_norm", 128)
        for number in range(4):
            shapes |= layer(f"{owner}.linears.{number}", 128, 128)
    for owner in ("cma.layer.feed_forward", "feedforward"):
        shapes |= layer(f"{owner}.w_1", 128, 128) | layer(f"{owner}.w_2", 128, 128)
    return shapes | layer("cma.layer.sublayer.0.norm", 128) | layer("cma.layer.sublayer.1.norm", 128)


SHAPES: dict[str, Callable[[], Shapes]] = {"hl-net": hl_net_shapes, "macil-sd": macil_shapes}


def random_state(name: str) -> State:
    generator = torch.Generator().manual_seed(1)
    state = {}
    for key, shape in SHAPES[name]().items():
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 9
        state[key] = torch.randn(shape, generator=generator) * 1.5 * fan_in**-0.5
        if "norm.weight" in key:
            state[key] += 1.0
    return state


def affine(state: State, name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].flatten(1).T + state[f"{name}.bias"]


def convolve(state: State, name: str, x: Tensor, *, past: int) -> Tensor:
    """[T, in] to [T, out], snippet by snippet and tap by tap; zeros outside."""
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    rows = []
    for t in range(len(x)):
        row = bias.clone()
        for tap in range(weight.shape[2]):
            source = t + tap - past
            if 0 <= source < len(x):
                row = row + weight[:, :, tap] @ x[source]
        rows.append(row)
    return torch.stack(rows)


def hl_net_logits(state: State, visual: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
    """Of one video of T snippets: offline and online logits, [T]."""
    both = torch.cat([visual, audio], dim=1)
    x = affine(state, "conv1d2", affine(state, "conv1d1", both).relu()).relu()
    hidden = affine(state, "approximator.2", affine(state, "approximator.0", x).relu()).relu()
    online = convolve(state, "conv1d_approximator", hidden, past=4)[:, 0]
    scores = online.sigmoid()
    length = range(len(x))
    similar, near, alike = (torch.zeros(len(x), len(x)) for _ in range(3))
    for i in length:
        for j in length:
            cosine = (both[i] @ both[j] / (both[i].norm() * both[j].norm())).item()
            similar[i, j] = cosine if cosine > 0.7 else 0.0
            near[i, j] = math.exp(-abs(i - j) / math.e)
            closeness = 1 - abs(scores[i].item() - scores[j].item())
            alike[i, j] = 1 / (1 + math.exp(-(closeness - 0.5) / 0.1))
    streams = []
    for first, second, graph in (
        ("gc1", "gc2", similar.softmax(dim=1)),
        ("gc3", "gc4", near),
        ("gc5", "gc6", alike.softmax(dim=1)),
    ):
        hidden = (graph @ x @ state[f"{first}.weight"] + convolve(state, f"{first}.residual", x, past=2)).relu()
        streams.append((graph @ hidden @ state[f"{second}.weight"] + hidden).relu())
    return affine(state, "classifier", torch.cat(streams, dim=1))[:, 0], online


def layer_norm(state: State, name: str, x: Tensor) -> Tensor:
    centred = x - x.mean(dim=1, keepdim=True)
    spread = (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()
    return centred / spread * state[f"{name}.weight"] + state[f"{name}.bias"]


def cross(state: State, asking: Tensor, asked: Tensor) -> Tensor:
    normed = layer_norm(state, "cma.layer.sublayer.0.norm", asking)
    query, key, value = (
        affine(state, f"cma.layer.self_attn.linears.{number}", rows)
        for number, rows in enumerate((normed, asked, asked))
    )
    heads = []
    for head in range(4):
        own = slice(32 * head, 32 * head + 32)
        heads.append((query[:, own] @ key[:, own].T / math.sqrt(32)).softmax(dim=1) @ value[:, own])
    x = asking + affine(state, "cma.layer.self_attn.linears.3", torch.cat(heads, dim=1))
    hidden = affine(state, "cma.layer.feed_forward.w_1", layer_norm(state, "cma.layer.sublayer.1.norm", x)).relu()
    return x + affine(state, "cma.layer.feed_forward.w_2", hidden)


def macil_logits(state: State, visual: Tensor, audio: Tensor) -> tuple[Tensor, None]:
    look, sound = affine(state, "fc_v", visual), affine(state, "fc_a", audio)
    both = affine(state, "att_mmil.fc", cross(state, sound, look)) + affine(
        state, "att_mmil.fc", cross(state, look, sound)
    )
    return both[:, 0], None


PLAIN = {"hl-net": hl_net_logits, "macil-sd": macil_logits}


@pytest.mark.parametrize(("name", "number"), [("hl-net", 31), ("macil-sd", 38)])
def test_a_published_file_gives_the_outputs_of_its_forward_pass(tmp_path: Path, name: str, number: int) -> None:
    state = random_state(name)
    assert len(state) == number
    path = tmp_path / FILES[name]
    torch.save(state, path)
    assert recognise(path) == name
    convert_system(path, name, tmp_path / "out.safetensors")
    checkpoint = load_checkpoint(tmp_path / "out.safetensors")
    system = checkpoint.networks[name]
    generator = torch.Generator().manual_seed(2)
    lengths = [23, 9, 1]
    # A common part, so that cosines fall on both sides of the similarity graph's threshold.
    visual, audio = (
        torch.randn(3, 23, width, generator=generator) + 1.5 * torch.randn(width, generator=generator)
        for width in (VISUAL, AUDIO)
    )
    mask = torch.arange(23) < torch.tensor(lengths)[:, None]
    bags = Bags(visual * mask[..., None], audio * mask[..., None], mask)
    with torch.no_grad():
        found = system(*bags).anomaly_logits
        for bag, length in enumerate(lengths):
            expected, online = PLAIN[name](state, visual[bag, :length], audio[bag, :length])
            torch.testing.assert_close(found[bag, :length], expected, rtol=0, atol=1e-4)
            if online is not None:
                torch.testing.assert_close(system.online_logits(bags)[bag, :length], online, rtol=0, atol=1e-4)
    assert found[0].std() > 0.05  # what is all alike would agree with anything
    assert (checkpoint.header.visual_dim, checkpoint.header.audio_dim) == (VISUAL, AUDIO)
    assert checkpoint.header.selection == {name: "test"}
    assert "Not measured here" in checkpoint.header.card


@pytest.mark.parametrize("name", FILES)
def test_only_what_the_authors_never_read_is_left_out(tmp_path: Path, name: str) -> None:
    state = random_state(name)
    path = tmp_path / FILES[name]
    unread = {"hl-net": ("conv1d3", "conv1d4", "simAdj", "disAdj"), "macil-sd": ("multiheadattn", "feedforward")}
    others = [key for key in state if not key.startswith(unread[name]) and "self_attn.layer_norm" not in key]
    torch.save({key: state[key] for key in others}, path)
    system = read_system(path, name)
    assert len(system.tensors()) == len(others)
    values = {tensor.flatten()[0].item() for tensor in system.tensors().values()}
    assert values == {state[key].flatten()[0].item() for key in others}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gc2.weight": None}, "1 tensors are missing, the first is gc2.weight [32, 32]"),
        ({"gc9.weight": torch.ones(2)}, "1 tensors are unknown, the first is gc9.weight [2]"),
        ({"gc2.weight": torch.ones(32, 31)}, "gc2.weight has shape [32, 31], needed [32, 32]"),
        ({"gc2.weight": torch.full((32, 32), torch.nan)}, "gc2.weight holds a number that is not finite"),
        ({"gc2.weight": torch.ones(32, 32, dtype=torch.int32)}, "gc2.weight is torch.int32"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path: Path, change: dict[str, Tensor | None], said: str) -> None:
    state = {key: tensor for key, tensor in {**random_state("hl-net"), **change}.items() if tensor is not None}
    path = tmp_path / "model.pkl"
    torch.save(state, path)
    with pytest.raises(AvadclipError) as refused:
        convert_system(path, "hl-net", tmp_path / "out.safetensors")
    assert said in str(refused.value)
    assert str(refused.value).startswith(f"{path}, read as the published HL-Net: ")
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == [path]


def test_the_command_tells_the_files_apart(tmp_path: Path, avadclip_command: Callable) -> None:
    for name, file in FILES.items():
        torch.save(random_state(name), tmp_path / file)
        code, out, err = avadclip_command("weights", "convert", str(tmp_path / file))
        assert (code, out) == (0, f"{tmp_path / f'avadclip-{name}.safetensors'}\n")
        assert "not validated" in err
        code, _, err = avadclip_command("weights", "convert", str(tmp_path / file))
        assert code == 1
        assert "exists already" in err
