"""VadCLIP is a network of AVadCLIP's own by its recipe: what holds for the other systems holds for it."""

from pathlib import Path

import pytest
import torch

from avadclip.config import OptimizerConfig, TrainingConfig, read_config
from avadclip.data.bags import Bag, collate, feature_widths
from avadclip.data.synthetic import load_synthetic
from avadclip.evaluation.evaluate import evaluate
from avadclip.inference.networks import build_from_recipe
from avadclip.model.avadclip import AVadCLIP
from avadclip.model.losses import alignment_mil_loss, anomaly_mil_loss, text_separation_loss
from avadclip.training.loop import Supervision, train_network

from .made_up_bags import shake

MARGIN_PERCENT = 10.0  # of frame AP above chance, on synthetic videos that were not trained on
WIDTH = 32
CLASSES = ("normal", "fighting", "shooting", "riot")


def recipe() -> TrainingConfig:
    """As shipped, but narrow, and quick enough for made-up features."""
    shipped = read_config(Path(__file__).parents[2] / "configs" / "baselines" / "vadclip.toml", TrainingConfig)
    return shipped.model_copy(
        update={
            "network": shipped.network.model_copy(update={"embed_dim": WIDTH}),
            "optimizer": OptimizerConfig(learning_rate=3e-3, batch_size=32, epochs=15, milestones=()),
        }
    )


def untrained(bags: tuple[Bag, ...]) -> AVadCLIP:
    torch.manual_seed(0)
    visual_dim, _ = feature_widths(bags)
    return shake(build_from_recipe(recipe(), visual_dim=visual_dim, audio_dim=0, classes=CLASSES))


def test_learns_synthetic_videos() -> None:
    data = load_synthetic("quick")
    config = recipe()
    trained = train_network(data.train, config, Supervision(data.classes)).last
    report = evaluate(trained, data)
    for head in ("classifier", "alignment"):
        assert report.percent("frame_ap", head=head) > report.positive_percent + MARGIN_PERCENT


def test_recipe_builds_the_published_network() -> None:
    """The published network's: one block, window 64, no enhancement; nothing of sound."""
    shipped = read_config(Path(__file__).parents[2] / "configs" / "baselines" / "vadclip.toml", TrainingConfig)
    assert shipped.network_kind == "visual student"
    assert shipped.network.student_temporal.model_dump() == {"num_blocks": 1, "attention_window": 64}
    network = build_from_recipe(shipped, visual_dim=512, audio_dim=0, classes=CLASSES)
    parts = {name.split(".")[1] for name in network.state_dict() if name.startswith("encoder.")}
    assert parts == {"temporal"}


def test_loss_is_the_sum_of_three_parts() -> None:
    """MIL cross-entropy of both branches, without focal loss, and 1e-4 of the separation of the class features."""
    bags = load_synthetic("quick").train[:4]
    network, batch = untrained(bags), collate(bags)
    class_features, outputs = network.class_text(), network(*batch.bags)
    expected = (
        anomaly_mil_loss(outputs.anomaly_logits, batch.bags.mask, batch.targets)
        + alignment_mil_loss(outputs.class_logits, batch.bags.mask, batch.targets, alpha=None)
        + 1e-4 * text_separation_loss(class_features)
    )
    torch.testing.assert_close(sum(network.losses(batch).values()), expected)


@torch.no_grad()
def test_padding_and_other_bags_change_no_score() -> None:
    bags = load_synthetic("quick").train[:4]
    network = untrained(bags)

    def scores_of(batch: tuple[Bag, ...]) -> torch.Tensor:
        outputs = network(*collate(batch).bags)
        return torch.cat([outputs.anomaly_logits[..., None], outputs.class_logits], dim=-1)

    together = scores_of(bags)
    lengths = [len(bag.load()) for bag in bags]
    assert len(set(lengths)) > 1
    for row, (bag, length) in enumerate(zip(bags, lengths, strict=True)):
        torch.testing.assert_close(together[row, :length], scores_of((bag,))[0], rtol=1e-4, atol=1e-4)
    assert together[0, : lengths[0]].std(dim=0).min() > 1e-3  # equal scores would agree with anything


@pytest.mark.parametrize("part", ["anomaly", "alignment"])
def test_each_branch_trains_the_network(part: str) -> None:
    bags = load_synthetic("quick").train[:4]
    network = untrained(bags)
    network.losses(collate(bags))[part].backward()
    assert network.encoder.temporal.position_embedding.grad.abs().sum() > 0
