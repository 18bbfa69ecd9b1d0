import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avadclip.config import NetworkConfig, TemporalConfig
from avadclip.inference.networks import build_network
from avadclip.labels import XD_VIOLENCE_CODES
from avadclip.model.avadclip import AVadCLIP
from avadclip.model.base import Bags
from avadclip.model.class_text import FixedClassVectors
from avadclip.model.prompts import LearnedPrompts

XD_CLASSES = tuple(XD_VIOLENCE_CODES.values())
DIM, CLASSES = 16, ("normal", "fighting", "riot", "explosion")
KINDS = ["teacher", "visual student", "audio student"]
FUSIONS = ["adaptive", "concat", "add", "cross-attention", "none"]


def outputs(network: AVadCLIP, bags: Bags) -> tuple[torch.Tensor, ...]:
    """Anomaly scores, class probabilities, features, and a student's theta."""
    with torch.no_grad():
        found = network(*bags)
    theta = torch.zeros_like(found.features) if found.log_variance is None else found.log_variance
    return found.scores, found.class_logits.softmax(dim=-1), found.features, theta


def alone(bags: Bags, index: int) -> Bags:
    """One bag without neighbours and without padding."""
    length = int(bags.mask[index].sum())
    own = slice(index, index + 1)
    return Bags(bags.visual[own, :length], bags.audio[own, :length], bags.mask[own, :length])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=3),
    padding=st.sampled_from([(0, 0.0), (1, 0.0), (5, 30.0), (40, 30.0)]),
)
def test_outputs_depend_neither_on_padding_nor_on_neighbours(
    networks, random_bags, kind: str, lengths: list[int], padding: tuple[int, float]
) -> None:
    extra, garbage = padding
    bags = random_bags(lengths, max(lengths) + extra, padding=garbage)
    batched = outputs(networks[kind], bags)
    for index, length in enumerate(lengths):
        for together, single in zip(batched, outputs(networks[kind], alone(bags, index)), strict=True):
            torch.testing.assert_close(together[index, :length], single[0], rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def networks() -> dict[str, AVadCLIP]:
    built = {}
    for kind in KINDS:
        torch.manual_seed(3)
        config = NetworkConfig(embed_dim=DIM, student_temporal=TemporalConfig(num_blocks=1, attention_window=4))
        network = build_network(kind, visual_dim=20, audio_dim=12, classes=CLASSES, network=config).eval()
        network.class_text = FixedClassVectors(torch.randn(len(CLASSES), DIM))
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.dim() == 1:  # biases far from 0, which padding would carry along
                    parameter.add_(0.3 * torch.randn_like(parameter))
        built[kind] = network
    return built


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_keeps_padding_out(tiny_network, random_bags, fusion: str) -> None:
    network = tiny_network(fusion=fusion)
    bags = random_bags([7, 12], 20, padding=3.0)
    batched = outputs(network, bags)
    for index, length in enumerate((7, 12)):
        for together, single in zip(batched, outputs(network, alone(bags, index)), strict=True):
            torch.testing.assert_close(together[index, :length], single[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_takes_part_in_the_release(tiny_network, random_bags, kind: str) -> None:
    network = tiny_network(kind, variant="released")
    bags = random_bags([7], 12)
    padded, single = outputs(network, bags), outputs(network, alone(bags, 0))
    assert not torch.allclose(padded[1][0, :7], single[1][0], atol=1e-5)


@pytest.mark.parametrize("variant", ["paper", "released", "extended"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_of_a_network_learns(tiny_network, random_bags, kind: str, variant: str) -> None:
    network = tiny_network(kind, variant=variant)
    encoded = network(*random_bags([9, 12], 16))
    loss = encoded.class_logits.square().sum() + encoded.anomaly_logits.square().sum()
    if encoded.log_variance is not None:
        loss = loss + encoded.log_variance.square().sum()
    loss.backward()
    own = {name: p for name, p in network.named_parameters() if not name.startswith("objective.")}
    assert [name for name, p in own.items() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert all(p.grad.isfinite().all() for p in own.values())


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_parameter_learns_whatever_the_fusion(tiny_network, random_bags, fusion: str) -> None:
    network = tiny_network(fusion=fusion)
    encoded = network.encode(random_bags([9, 12], 16))
    (encoded.features.square().sum() + encoded.anomaly_logits.square().sum()).backward()
    idle = [n for n, p in network.encoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # Without fusion the sound is not used.
    assert [name for name in idle if fusion != "none" or "audio" not in name] == []


def test_the_prompt_carries_gradient_from_alignment_into_the_classifier(tiny_network, random_bags) -> None:
    network = tiny_network()
    network(*random_bags([9])).class_logits.square().sum().backward()
    assert network.classifier.classify.weight.grad.abs().sum() > 0


def test_students_of_one_modality_never_touch_the_other(tiny_network, random_bags) -> None:
    bags = random_bags([6])
    without_sound = outputs(tiny_network("visual student"), Bags(bags.visual, None, bags.mask))
    without_picture = outputs(tiny_network("audio student"), Bags(None, bags.audio, bags.mask))
    for found, full in ((without_sound, "visual student"), (without_picture, "audio student")):
        for left, right in zip(found, outputs(tiny_network(full), bags), strict=True):
            assert torch.equal(left, right)


def test_off_switches_and_sizes_reach_the_network(tiny_network, random_bags) -> None:
    network = tiny_network("visual student", audio_visual_prompt=False, enhancement_blocks=1)
    assert len(network.encoder.enhancement) == 1
    encoded = network.encode(random_bags([6]))
    assert (encoded.pooled == 0).all()
    assert network.encode(random_bags([6])).log_variance.shape == encoded.features.shape
    assert tiny_network("teacher").encode(random_bags([6])).log_variance is None


def test_paper_sizes_are_the_defaults() -> None:
    teacher = NetworkConfig().teacher_temporal
    student = NetworkConfig().student_temporal
    assert (teacher.num_blocks, teacher.attention_window) == (2, 4)
    assert (student.num_blocks, student.attention_window) == (1, 64)


@pytest.mark.parametrize(("kind", "expected"), [("teacher", 17_106_440), ("visual student", 13_163_016)])
def test_trainable_parameters_are_as_many_as_in_the_published_weights(kind: str, expected: int) -> None:
    with torch.device("meta"):
        config = NetworkConfig(variant="released")
        network = build_network(kind, visual_dim=512, audio_dim=512, classes=XD_CLASSES, network=config)
        prompts = LearnedPrompts(512)
    own = sum(p.numel() for p in network.parameters() if p.requires_grad)
    # The uncertainty head and the seven focal weights are among them; the prompts stand for the class vectors.
    assert own - network.class_text.vectors.numel() + prompts.table.numel() == expected


def test_features_as_wide_as_the_network_enter_as_they_are() -> None:
    network = AVadCLIP(visual_dim=DIM, audio_dim=12, classes=CLASSES, embed_dim=DIM)
    assert list(network.encoder.visual_projection.parameters()) == []
    assert list(network.encoder.audio_projection.parameters()) != []
