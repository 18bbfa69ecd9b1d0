"""VadCLIP is a network of AVadCLIP's own by its recipe: what holds for the other systems holds for it."""

from pathlib import Path

import pytest
import torch

from avadclip.config import OptimizerConfig, TrainingConfig, read_config
from avadclip.data.bags import Bag, collate
from avadclip.data.synthetic import load_synthetic
from avadclip.evaluation.evaluate import evaluate
from avadclip.model.class_text import build_class_text
from avadclip.model.losses import alignment_mil_loss, anomaly_mil_loss, text_separation_loss
from avadclip.model.models import build_network
from avadclip.model.objective import Objective
from avadclip.training.loop import Supervision, train_network

from .made_up_bags import shake

MARGIN_PERCENT = 10.0  # of frame AP above chance, on synthetic videos that were not trained on
WIDTH = 32


def recipe() -> TrainingConfig:
    """As shipped, but narrow, and quick enough for made-up features."""
    shipped = read_config(Path(__file__).parents[2] / "configs" / "baselines" / "vadclip.toml", TrainingConfig)
    return shipped.model_copy(
        update={
            "network": shipped.network.model_copy(update={"embed_dim": WIDTH}),
            "optimizer": OptimizerConfig(learning_rate=3e-3, batch_size=32, epochs=15, milestones=()),
        }
    )


def untrained(bags: tuple[Bag, ...]) -> Objective:
    config = recipe()
    torch.manual_seed(0)
    widths = {"visual_dim": bags[0].load().visual.shape[2], "audio_dim": 0}
    network = shake(build_network(config.network_kind, config.network, **widths))
    class_text = build_class_text(("normal", "fighting", "shooting", "riot"), WIDTH, None)
    return Objective(network, class_text, num_classes=4, loss=config.loss, distillation=config.distillation)


def test_it_learns() -> None:
    data = load_synthetic("quick")
    config = recipe()
    trained = train_network(config.network_kind, data.train, config, Supervision(data.classes)).last
    report = evaluate(
        trained,
        data.test,
        data.classes,
        data.grid,
        network="VadCLIP",
        split="test",
        selection="last",
        dataset=data.name,
        is_synthetic=True,
    )
    for head in ("classifier", "alignment"):
        assert report.percent("frame_ap", head=head) > report.positive_percent + MARGIN_PERCENT


def test_layers_are_those_of_the_recipe() -> None:
    """The published network's: one block, window 64, no enhancement; nothing of sound."""
    shipped = read_config(Path(__file__).parents[2] / "configs" / "baselines" / "vadclip.toml", TrainingConfig)
    assert shipped.network_kind == "visual student"
    assert shipped.network.student_temporal.model_dump() == {"num_blocks": 1, "attention_window": 64}
    network = build_network(shipped.network_kind, shipped.network, visual_dim=512, audio_dim=0)
    parts = {name.split(".")[1] for name in network.state_dict() if name.startswith("encoder.")}
    assert parts == {"temporal"}


def test_the_loss_is_the_sum_of_three_parts() -> None:
    """MIL cross-entropy of both branches, without focal loss, and 1e-4 of the words' separation."""
    bags = load_synthetic("quick").train[:4]
    objective, batch = untrained(bags), collate(bags)
    words = objective.class_text()
    encoded = objective.network.encode(batch.bags)
    map_logits = objective.network.align(encoded.features, words, encoded.pooled)
    expected = (
        anomaly_mil_loss(encoded.anomaly_logits, batch.bags.valid, batch.targets)
        + alignment_mil_loss(map_logits, batch.bags.valid, batch.targets, alpha=None)
        + 1e-4 * text_separation_loss(words)
    )
    torch.testing.assert_close(objective(batch)["total"], expected)


@torch.no_grad()
def test_neither_padding_nor_neighbours_change_scores() -> None:
    bags = load_synthetic("quick").train[:4]
    objective = untrained(bags)

    def said(batch: tuple[Bag, ...]) -> torch.Tensor:
        together = collate(batch).bags
        encoded = objective.network.encode(together)
        map_logits = objective.network.align(encoded.features, objective.class_text(), encoded.pooled)
        return torch.cat([encoded.anomaly_logits[..., None], map_logits], dim=-1)

    together = said(bags)
    lengths = [len(bag.load()) for bag in bags]
    assert len(set(lengths)) > 1
    for row, (bag, length) in enumerate(zip(bags, lengths, strict=True)):
        torch.testing.assert_close(together[row, :length], said((bag,))[0], rtol=1e-4, atol=1e-4)
    assert together[0, : lengths[0]].std(dim=0).min() > 1e-3  # what is all alike would agree with anything


@pytest.mark.parametrize("part", ["anomaly", "alignment"])
def test_each_branch_teaches_the_network(part: str) -> None:
    bags = load_synthetic("quick").train[:4]
    objective = untrained(bags)
    objective(collate(bags))[part].backward()
    assert objective.network.encoder.temporal.position_embedding.grad.abs().sum() > 0
