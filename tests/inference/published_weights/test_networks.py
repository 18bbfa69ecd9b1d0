"""The authors' state dicts: every name, and the released forward pass written out plainly on their tensors."""

import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from avadclip.errors import AvadclipError, CheckpointError, WeightsError
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.published_weights.networks import ReleasedKind, network_from_released, read_released
from avadclip.inference.scoring import score_features
from avadclip.model.avadclip import OBJECTIVE
from avadclip.model.base import Bags, Batch
from avadclip.model.class_text import FixedClassVectors
from avadclip.model.losses import alignment_mil_loss, anomaly_mil_loss
from avadclip.model.released import ReleasedObjective

State = dict[str, Tensor]
MakeState = Callable[[ReleasedKind], State]

KINDS: list[ReleasedKind] = ["teacher", "visual student", "VadCLIP"]
DIM, CLASSES, POSITIONS = 512, 7, 256
WINDOW = {"teacher": 4, "visual student": 64, "VadCLIP": 64}


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
    return enhanced_or_fused(state, kind, x, audio)


def enhanced_or_fused(state: State, kind: ReleasedKind, x: Tensor, audio: Tensor) -> Tensor:
    if kind == "teacher":
        name = "temporalgatedresidual"
        both = torch.cat([x, audio_temporal(state, audio)], dim=1)
        residual = affine(state, f"{name}.residual_proj.0", both)
        residual = residual * 0.5 * (1 + torch.erf(residual / math.sqrt(2)))
        gate = torch.sigmoid(affine(state, f"{name}.gate_proj.0", both))
        return x + gate * affine(state, f"{name}.residual_proj.2", residual)
    for block in range(3 if kind == "visual student" else 0):
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
    """x is the temporal model's output, which the enhancement blocks have not read yet."""
    hidden = centred_conv(state, "fe_net.theta.theta.0", x).relu()
    hidden = centred_conv(state, "fe_net.theta.theta.3", centred_conv(state, "fe_net.theta.theta.2", hidden)).relu()
    return -(x + hidden)


@pytest.mark.parametrize("kind", KINDS)
def test_a_released_state_dict_gives_the_outputs_of_the_released_forward_pass(
    random_state: MakeState, kind: ReleasedKind
) -> None:
    state = random_state(kind) | {"clipmodel.visual.proj": torch.zeros(768, DIM)}
    network, table, alpha = network_from_released(state, kind)
    lengths = [256, 37, 1]
    generator = torch.Generator().manual_seed(2)
    # A common part, so that cosines fall on both sides of the similarity graph's threshold.
    visual, audio = (
        torch.randn(3, POSITIONS, DIM, generator=generator) + torch.randn(DIM, generator=generator) for _ in range(2)
    )
    mask = torch.arange(POSITIONS) < torch.tensor(lengths)[:, None]
    visual, audio = visual * mask[..., None], audio * mask[..., None]
    class_features = torch.randn(CLASSES, DIM, generator=generator)
    with torch.no_grad():
        network.class_text = FixedClassVectors(class_features)
        encoded = network(*Bags(visual, audio, mask))
        for bag, length in enumerate(lengths):
            features = released_features(state, kind, visual[bag], audio[bag], length)
            logits, expected_map = released_branches(state, features, class_features)
            torch.testing.assert_close(encoded.features[bag], features, rtol=0, atol=1e-4)
            torch.testing.assert_close(encoded.anomaly_logits[bag], logits, rtol=0, atol=1e-4)
            torch.testing.assert_close(encoded.class_logits[bag], expected_map, rtol=0, atol=1e-4)
            if kind == "visual student":
                theta = released_theta(state, visual_temporal(state, kind, visual[bag], length))
                torch.testing.assert_close(encoded.log_variance[bag], theta, rtol=0, atol=1e-4)
    assert torch.equal(table, state["text_prompt_embeddings.weight"])
    assert alpha is None if kind == "VadCLIP" else torch.equal(alpha, state["alpha"])


@pytest.fixture
def _in_float64() -> Iterator[None]:
    """In float32 a cosine within rounding of the graph's threshold falls on either side, form by form."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("_in_float64")
def test_one_step_of_the_released_student_has_the_released_losses_and_gradients(random_state: MakeState) -> None:
    kind: ReleasedKind = "visual student"
    state = {name: tensor.float() for name, tensor in random_state(kind).items()}
    network = network_from_released(state, kind).network.double()
    generator = torch.Generator().manual_seed(2)
    lengths = [256, 37]
    mask = torch.arange(POSITIONS) < torch.tensor(lengths)[:, None]
    common = torch.randn(DIM, generator=generator)
    visual = (torch.randn(2, POSITIONS, DIM, generator=generator) + common) * mask[..., None]
    teacher = torch.randn(2, POSITIONS, DIM, generator=generator)
    class_features = torch.randn(CLASSES, DIM, generator=generator)
    targets = torch.eye(CLASSES)[[0, 3]]
    network.class_text = FixedClassVectors(class_features)
    network.objective = ReleasedObjective(
        num_classes=CLASSES, text_separation=0.0, distillation="uncertainty", distillation_weight=0.5
    )
    batch = Batch(Bags(visual, None, mask), targets, torch.ones(2, dtype=torch.bool), teacher)
    losses = network.losses(batch)
    sum(losses.values()).backward()

    theirs = {name: tensor.double().requires_grad_() for name, tensor in state.items()}
    logits, maps, distances = [], [], []
    for bag, length in enumerate(lengths):
        x = visual_temporal(theirs, kind, visual[bag], length)
        theta = released_theta(theirs, x)
        x = enhanced_or_fused(theirs, kind, x, visual[bag])
        distances.append((teacher[bag] - x) ** 2 / (1e-6 + 2 * theta.exp()) + theta)
        of_bag = released_branches(theirs, x, class_features)
        logits.append(of_bag[0]), maps.append(of_bag[1])
    distilled = 0.5 * torch.stack(distances).mean()
    alpha = torch.full((CLASSES,), 0.25)
    others = anomaly_mil_loss(torch.stack(logits), mask, targets)
    others = others + alignment_mil_loss(torch.stack(maps), mask, targets, alpha=alpha)
    (distilled + others).backward()

    assert losses["distillation"].item() == pytest.approx(distilled.item(), rel=1e-5)
    gradients = {n: tensor if theirs[n].grad is None else theirs[n].grad.float() for n, tensor in state.items()}
    expected = network_from_released(gradients, kind).network.state_dict()
    own = {name: p for name, p in network.named_parameters() if not name.startswith(OBJECTIVE)}
    assert any(name.startswith("uncertainty.") for name in own)
    for name, parameter in own.items():
        scale = expected[name].abs().max()
        assert scale > 0, name
        assert (parameter.grad - expected[name]).abs().max() < 1e-5 * scale, name


@pytest.mark.parametrize("kind", KINDS)
def test_whole_videos_score_as_in_the_released_forward_pass(random_state: MakeState, kind: ReleasedKind) -> None:
    """Window by window, the last one padded with zeros that take part, and no window more than needed."""
    generator = torch.Generator().manual_seed(4)
    class_features = torch.randn(CLASSES, DIM, generator=generator)
    rows = torch.randn(2, 512, DIM, generator=generator) + torch.randn(2, 1, DIM, generator=generator)
    state = random_state(kind)
    state["classifier.weight"] = 8 * state["classifier.weight"]  # scores that spread out, here and around one half
    first = released_features(state, kind, *rows[:, :POSITIONS], POSITIONS)
    state["classifier.bias"] = state["classifier.bias"] - released_branches(state, first, class_features)[0].mean()
    network = network_from_released(state, kind).network
    network.class_text = FixedClassVectors(class_features)
    spread = []
    for length in (1, 200, 256, 257, 512):
        visual, audio = rows[:, :length]
        features = SnippetFeatures(visual.numpy()[None], audio.numpy(), length * 2 / 3, provenance=None)
        with torch.no_grad():
            found = score_features(network, features)
            expected_scores, expected_probabilities = [], []
            for start in range(0, length, POSITIONS):
                stop = min(start + POSITIONS, length)
                window = torch.zeros(2, POSITIONS, DIM)
                window[0, : stop - start], window[1, : stop - start] = visual[start:stop], audio[start:stop]
                x = released_features(state, kind, window[0], window[1], stop - start)
                logits, alignment = released_branches(state, x, class_features)
                for snippet in range(stop - start):
                    expected_scores.append(1 / (1 + math.exp(-logits[snippet].item())))
                    powers = alignment[snippet].exp()
                    expected_probabilities.append((powers / powers.sum()).tolist())
        np.testing.assert_allclose(found.anomaly_scores, expected_scores, rtol=0, atol=1e-4)
        np.testing.assert_allclose(found.class_probabilities, expected_probabilities, rtol=0, atol=1e-4)
        spread.append((found.anomaly_scores.std(), found.class_probabilities.std(axis=0).max()))
    assert np.max(spread, axis=0).min() > 0.02  # what is all alike would agree with anything


@pytest.mark.parametrize(("kind", "number"), [("teacher", 17_106_440), ("visual student", 13_163_016)])
def test_every_trained_parameter_is_read(
    random_state: MakeState, released_shapes: Callable, kind: ReleasedKind, number: int
) -> None:
    network, table, alpha = network_from_released(random_state(kind), kind)
    own = [p for name, p in network.named_parameters() if not name.startswith(("class_text.", "objective."))]
    assert sum(p.numel() for p in own) + table.numel() + alpha.numel() == number
    assert sum(math.prod(shape) for shape in released_shapes(kind).values()) == number


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gc1.weight": None}, "1 tensors are missing, the first is gc1.weight"),
        ({"alpha": None}, "the first is alpha"),
        (
            {"gc1.weight": None, "conv1.weight": torch.ones(2)},
            r"is gc1.weight \[512, 256\]; the file begins with conv1",
        ),
        ({"gc9.weight": torch.ones(2)}, "1 tensors are unknown, the first is gc9.weight"),
        ({"gc2.weight": torch.ones(3, 2)}, r"gc2.weight has shape \[3, 2\], needed \[256, 256\]"),
        ({"alpha": torch.ones(2, 2)}, "alpha has 2 axes"),
        ({"alpha": torch.ones(7, dtype=torch.int64)}, "alpha is torch.int64, needed float32"),
        ({"alpha": torch.full((7,), torch.nan)}, "alpha holds a number that is not finite"),
        ({"temporalconvnet.network.1.net.4.bias": torch.ones(3)}, r"net.4.bias has shape \[3\], needed \[512\]"),
        ({"temporalconvnet.network.1.net.4.bias": torch.ones(DIM)}, "net.4.bias and .*conv2.bias differ"),
    ],
)
def test_another_state_dict_is_refused_in_one_line(
    random_state: MakeState, change: dict[str, Tensor | None], message: str
) -> None:
    merged = {**random_state("teacher"), **change}
    state = {name: tensor for name, tensor in merged.items() if tensor is not None}
    with pytest.raises(CheckpointError, match=message) as caught:
        network_from_released(state, "teacher", origin="model.pth")
    assert str(caught.value).startswith("model.pth, read as the released teacher: ")
    assert "\n" not in str(caught.value)


def test_a_student_is_not_read_as_a_teacher(random_state: MakeState) -> None:
    with pytest.raises(CheckpointError, match=r"is the released visual student .* needed the teacher; model_xd_t.pth"):
        network_from_released(random_state("visual student"), "teacher")


def test_one_of_the_two_files_alone_is_told_to_come_with_the_other(random_state: MakeState) -> None:
    with pytest.raises(CheckpointError, match=r"is the released teacher .* needed teacher and student together; model"):
        network_from_released(random_state("teacher"), "VadCLIP")


def test_a_file_wrapped_for_several_devices_is_read(random_state: MakeState, tmp_path: Path) -> None:
    state = random_state("visual student")
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, tmp_path / "model_xd_s.pth")
    trained, clip = read_released(tmp_path / "model_xd_s.pth", "visual student")
    assert torch.equal(trained.prompt_table, state["text_prompt_embeddings.weight"])
    assert clip is None


class Malicious:
    def __reduce__(self) -> tuple:
        return print, ("this ran",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"gc1.weight": Malicious()}, "it contains code, print, which is never run"),
        ({"state_dict": {"gc1.weight": torch.zeros(1)}}, "needed a flat dict of tensors"),
        ([torch.zeros(1)], "contains a list"),
        ({1: torch.zeros(1)}, "not a named plain tensor"),
        ({"gc1.weight": torch.zeros(1).expand(512, 256)}, "not a named plain tensor"),
        ({"gc1.weight": torch.zeros(512, 256, device="meta")}, "not a named plain tensor"),
        ({"gc1.weight": torch.zeros(512, 256).to_sparse()}, "not a named plain tensor"),
        ({}, "tensors are missing, the first is frame_position_embeddings.weight [256, 512]; model_xd_t"),
        ({"conv1.weight": torch.zeros(2)}, "the file begins with conv1.weight; model_xd_t.pth is the teacher"),
        ({"gc1.weight": torch.zeros(2), "clipmodel.visual.proj": torch.zeros(2)}, "the first is frame_position_embed"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_other_files_are_refused_in_one_line_and_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: object, said: str, zipped: bool
) -> None:
    path = tmp_path / "model.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(AvadclipError) as refused:
        read_released(path, "teacher")
    assert said in str(refused.value)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"hello\n", b"not weights", b"\x80\x04.", b"\x00" * 100])
def test_what_torch_never_wrote_is_said_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"model.pth cannot be read as weights \(it is not a file of torch.save\)"):
        read_released(tmp_path / "model.pth", "teacher")


def test_huge_and_compressed_files_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("was read"))
    path = tmp_path / "model.pth"
    with path.open("wb") as file:
        file.truncate(2**31 + 1)
    with pytest.raises(WeightsError, match=r"model.pth has 2.1 GB, needed at most"):
        read_released(path, "teacher")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", bytes(10**6))  # a thousandth of that in the file
    with pytest.raises(WeightsError, match="is a compressed archive, which torch never writes"):
        read_released(path, "teacher")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_off_anywhere_is_refused(random_state: MakeState, tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "model.pth"
    torch.save(random_state("teacher"), path, _use_new_zipfile_serialization=zipped)
    size = path.stat().st_size
    for length in (size - 1, size // 2, 1000, 10, 0):
        with path.open("r+b") as file:
            file.truncate(length)
        with pytest.raises(WeightsError, match="cannot be read as weights") as refused:
            read_released(path, "teacher")
        assert "\n" not in str(refused.value)
