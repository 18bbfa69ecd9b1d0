from collections.abc import Callable

import numpy as np
import pytest
import torch

from avadclip.config import NetworkConfig
from avadclip.data.bags import Bag, collate
from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.encoders.clip_text import ClipTextEncoder
from avadclip.errors import ConfigError
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.networks import VARIANTS, build_network
from avadclip.model.avadclip import AVadCLIP
from avadclip.model.base import Batch, Losses
from avadclip.model.class_text import LearnedClassVectors, build_class_text
from avadclip.model.losses import (
    alignment_mil_loss,
    anomaly_mil_loss,
    plain_distillation_loss,
    released_distillation_loss,
    text_separation_loss,
    uncertainty_distillation_loss,
)

torch.set_num_threads(1)

DIM, CLASSES = 8, ("normal", "fighting", "riot")
KINDS = ["teacher", "visual student", "audio student"]


def make_bags(lengths: tuple[int, ...] = (5, 20, 9), *, silent: tuple[int, ...] = ()) -> list[Bag]:
    random = np.random.default_rng(0)
    bags = []
    for index, length in enumerate(lengths):
        audio = None if index in silent else random.normal(size=(length, 6)).astype(np.float32)
        visual = random.normal(size=(1, length, 10)).astype(np.float32)
        targets = np.zeros(len(CLASSES), np.float32)
        targets[index % len(CLASSES)] = 1
        bags.append(Bag(f"bag {index}", f"film {index}", SnippetFeatures(visual, audio, 1.0, None), targets))
    return bags


def make_network(
    kind: str = "teacher", *, focal: bool = True, distil: str = "none", weight: float = 0.5, **options
) -> AVadCLIP:
    """A network whose objective has L_TEXT at a quarter and the distillation at `weight`."""
    precision = options.pop("precision", "fp32")
    config = NetworkConfig(embed_dim=DIM, **options)
    objective = VARIANTS[config.variant].objective_class(
        num_classes=len(CLASSES),
        focal=focal,
        text_separation=0.25,
        distillation=distil,
        distillation_weight=weight,
        precision=precision,
    )
    torch.manual_seed(0)
    dims = {"visual_dim": 10, "audio_dim": 6}
    return build_network(kind, **dims, classes=CLASSES, network=config, objective=objective).eval()


def losses_of(network: AVadCLIP, batch: Batch, teacher: torch.Tensor | None = None) -> Losses:
    losses = network.losses(batch._replace(teacher_features=teacher))
    return {"total": sum(losses.values()), **losses}


def teacher_features(batch: Batch) -> torch.Tensor:
    shape = (*batch.bags.mask.shape, DIM)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), requires_grad=True)


def idle_parameters(network: AVadCLIP) -> set[str]:
    return {n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", ["paper", "released"])
def test_the_total_is_the_papers_sum_of_its_parts(kind: str, variant: str) -> None:
    network = make_network(kind, variant=variant, distil="uncertainty" if kind != "teacher" else "none")
    batch = collate(make_bags())
    teacher = teacher_features(batch)
    losses = losses_of(network, batch, teacher)
    mask, words = batch.bags.mask, network.class_text()
    outputs = network(*batch.bags)
    anomaly = anomaly_mil_loss(outputs.anomaly_logits, mask, batch.targets)
    alignment = alignment_mil_loss(outputs.class_logits, mask, batch.targets, alpha=torch.full((3,), 0.25))
    text = text_separation_loss(words)
    distilled = torch.zeros(())
    if kind != "teacher" and variant == "paper":
        distilled = uncertainty_distillation_loss(teacher, outputs.features, outputs.log_variance, mask)
    elif kind != "teacher":
        distilled = released_distillation_loss(teacher, outputs.features, outputs.log_variance)
    torch.testing.assert_close(losses["anomaly"], anomaly)
    torch.testing.assert_close(losses["alignment"], alignment)
    torch.testing.assert_close(losses["text_separation"], 0.25 * text)
    torch.testing.assert_close(losses["distillation"], 0.5 * distilled)
    torch.testing.assert_close(losses["total"], anomaly + alignment + 0.25 * text + 0.5 * distilled)


def test_focal_off_leaves_the_cross_entropy_whole() -> None:
    batch = collate(make_bags())
    network = make_network(focal=False)
    expected = alignment_mil_loss(network(*batch.bags).class_logits, batch.bags.mask, batch.targets, alpha=None)
    torch.testing.assert_close(losses_of(network, batch)["alignment"], expected)


def test_plain_distillation_is_the_squared_distance() -> None:
    batch = collate(make_bags())
    network = make_network("visual student", distil="mse")
    teacher = teacher_features(batch)
    student = network(*batch.bags).features
    expected = plain_distillation_loss(teacher, student, batch.bags.mask)
    torch.testing.assert_close(losses_of(network, batch, teacher)["distillation"], 0.5 * expected)


@pytest.mark.parametrize("distil", ["uncertainty", "mse"])
def test_bags_without_sound_are_left_out_of_distillation(distil: str) -> None:
    bags = make_bags(silent=(1,))
    network = make_network("visual student", distil=distil)
    batch = collate(bags)
    teacher = teacher_features(batch)
    everywhere_else = teacher.detach().clone()
    everywhere_else[1] = 1e6
    distilled = losses_of(network, batch, teacher)["distillation"]
    assert distilled == losses_of(network, batch, everywhere_else)["distillation"]
    with_sound = collate([bags[0], bags[2]])
    both = teacher[[0, 2], : with_sound.bags.mask.shape[1]]
    torch.testing.assert_close(distilled, losses_of(network, with_sound, both)["distillation"])
    silent = losses_of(network, collate([bags[1]]), teacher[1:2, :20])
    assert silent["distillation"] == 0
    assert silent["total"].isfinite()


def test_without_a_teacher_or_a_kind_nothing_is_distilled() -> None:
    batch = collate(make_bags())
    assert losses_of(make_network("visual student", distil="mse"), batch)["distillation"] == 0
    network = make_network("visual student", distil="none")
    assert losses_of(network, batch, teacher_features(batch))["distillation"] == 0


@pytest.mark.parametrize("variant", ["paper", "released"])
@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_is_trained_gets_gradient_and_the_teacher_none(kind: str, variant: str) -> None:
    network = make_network(kind, variant=variant, distil="none" if kind == "teacher" else "uncertainty")
    if kind != "teacher" and variant == "paper":  # the last layer is zero at first, and lets no gradient through
        torch.nn.init.normal_(network.uncertainty.log_variance.weight)
    batch = collate(make_bags())
    teacher = teacher_features(batch)
    losses_of(network, batch, teacher)["total"].backward()
    assert teacher.grad is None
    assert idle_parameters(network) == set()
    assert ("objective.alpha" in dict(network.named_parameters())) == (variant == "released")


@pytest.mark.parametrize("distil", ["none", "mse"])
def test_only_the_uncertainty_head_is_idle_without_uncertainty(distil: str) -> None:
    network = make_network("visual student", distil=distil)
    batch = collate(make_bags())
    losses_of(network, batch, teacher_features(batch))["total"].backward()
    assert idle_parameters(network) == {n for n, _ in network.named_parameters() if n.startswith("uncertainty.")}


@pytest.mark.parametrize("kind", KINDS)
def test_losses_and_gradients_of_a_batch_do_not_depend_on_its_padding(kind: str) -> None:
    distil = "none" if kind == "teacher" else "uncertainty"
    short, long = collate(make_bags()), collate(make_bags(), pad_to_window=True)
    teacher = teacher_features(short).detach()
    teacher_long = torch.nn.functional.pad(teacher, (0, 0, 0, 256 - teacher.shape[1]), value=7.0)
    found = []
    for batch, features in ((short, teacher), (long, teacher_long)):
        network = make_network(kind, distil=distil)
        losses = losses_of(network, batch, features)
        losses["total"].backward()
        found.append((torch.stack(list(losses.values())), torch.cat([p.grad.flatten() for p in network.parameters()])))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=1e-5)


def test_a_runaway_of_the_released_distillation_ends_in_one_line() -> None:
    network = make_network("visual student", variant="released", distil="uncertainty", weight=100.0)
    batch = collate(make_bags(), pad_to_window=True)
    teacher = network(*batch.bags).features.detach()  # nothing is left to learn but certainty
    optimizer = torch.optim.Adam(network.uncertainty.parameters(), lr=0.5)

    def learn() -> None:
        for _ in range(100):
            optimizer.zero_grad()
            losses_of(network, batch, teacher)["distillation"].backward()
            optimizer.step()

    with pytest.raises(ConfigError, match=r"ln sigma\^2 .* needed -16 or more.*lower `distillation.weight`") as runaway:
        learn()
    assert "\n" not in str(runaway.value)


def test_losses_stay_float32_when_the_network_runs_in_bfloat16() -> None:
    batch = collate(make_bags())
    teacher = teacher_features(batch)
    exact = losses_of(make_network("visual student", distil="uncertainty"), batch, teacher)
    network = make_network("visual student", distil="uncertainty", precision="bf16")
    coarse = losses_of(network, batch, teacher)
    assert {part.dtype for part in coarse.values()} == {torch.float32}
    torch.testing.assert_close(
        torch.stack(list(coarse.values())), torch.stack(list(exact.values())), rtol=0.1, atol=0.1
    )
    assert not torch.equal(coarse["total"], exact["total"])
    coarse["total"].backward()
    assert all(p.dtype == torch.float32 for p in network.parameters())
    assert all(p.grad.isfinite().all() for p in network.parameters())


class OneWordTokenizer:
    """The length of a word is its token. See encoders.clip_text.ClipTokenizer."""

    sos, eot = 30, 31

    def word_ids(self, phrase: str) -> list[int]:
        return [len(word) for word in phrase.split()]


@pytest.fixture
def text_encoder() -> ClipTextEncoder:
    torch.manual_seed(0)
    sizes = {"vision_width": 8, "vision_depth": 1, "vision_heads": 1, "image_size": 16, "text_width": 12}
    clip = Clip(ClipConfig(**sizes, text_depth=2, text_heads=2, vocabulary=32, embed_dim=DIM))
    return ClipTextEncoder(clip, OneWordTokenizer())


def test_prompts_learn_through_the_frozen_text_tower(text_encoder: ClipTextEncoder) -> None:
    network = make_network()
    network.class_text = build_class_text(("normal", "car accident", "riot"), DIM, text_encoder)
    before = {name: tensor.clone() for name, tensor in text_encoder.clip.state_dict().items()}
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    losses = losses_of(network.train(), collate(make_bags()))
    losses["total"].backward()
    table = network.class_text.prompts.table
    assert [row for row in range(77) if table.grad[row].abs().sum() > 0] == [*range(1, 11), *range(12, 23)]
    optimizer.step()
    assert all(parameter.grad is None for parameter in text_encoder.clip.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in text_encoder.clip.state_dict().items())
    assert {n for n in network.state_dict() if n.startswith("class_text")} == {"class_text.prompts.table"}


def test_class_text_does_not_depend_on_the_other_classes(text_encoder: ClipTextEncoder) -> None:
    make: Callable[..., torch.nn.Module] = build_class_text
    torch.manual_seed(0)
    both = make(("normal", "very long class name"), DIM, text_encoder)
    torch.manual_seed(0)
    alone = make(("normal",), DIM, text_encoder)
    torch.testing.assert_close(both()[:1], alone(), rtol=1e-5, atol=1e-5)


def test_class_names_that_leave_no_room_for_prompts_are_refused(text_encoder: ClipTextEncoder) -> None:
    class_text = build_class_text(("normal", "a " * 55), DIM, text_encoder)
    assert class_text().isfinite().all()
    with pytest.raises(ConfigError, match="has 56 tokens, its prompt has room for 55"):
        build_class_text(("normal", "a " * 56), DIM, text_encoder)


def test_longer_prompts_leave_less_room_for_words(text_encoder: ClipTextEncoder) -> None:
    class_text = build_class_text(("normal", "a " * 43), DIM, text_encoder, prompt_tokens=16)
    class_text().sum().backward()
    learned = [row for row in range(77) if class_text.prompts.table.grad[row].abs().sum() > 0]
    # 16 before; behind the one word of `normal`, and behind the 43 of the other.
    assert learned == [*range(1, 17), *range(18, 34), *range(60, 76)]
    with pytest.raises(ConfigError, match="has 44 tokens, its prompt has room for 43"):
        build_class_text(("normal", "a " * 44), DIM, text_encoder, prompt_tokens=16)


def test_without_a_text_tower_class_vectors_are_learned_freely() -> None:
    assert isinstance(build_class_text(CLASSES, DIM, None), LearnedClassVectors)
