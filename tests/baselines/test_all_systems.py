"""What holds for every compared system, whichever are added."""

import functools
from pathlib import Path

import numpy as np
import pytest
import torch

from avadclip.baselines.build import SYSTEMS, build_system
from avadclip.config import (
    BagConfig,
    NetworkConfig,
    OptimizerConfig,
    TrainingConfig,
    read_config,
)
from avadclip.data.bags import Dataset
from avadclip.data.synthetic import load_synthetic
from avadclip.evaluation.evaluate import evaluate
from avadclip.events import UNVALIDATED
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader, load_checkpoint, save_checkpoint
from avadclip.inference.networks import build_from_recipe
from avadclip.inference.scoring import score_features
from avadclip.model.base import Bags, System
from avadclip.training.loop import Supervision, TrainingProgress, train_network
from avadclip.training.optimizer import learning_rate
from avadclip.training.run_folder import RunFolder

from .made_up_bags import make_batch, shake

RECIPES = Path(__file__).parents[2] / "configs" / "baselines"
MARGIN_PERCENT = 10.0  # of frame AP above chance, on synthetic videos that were not trained on
EPOCHS = 20
FEWER_EPOCHS: dict[str, int] = {"efficient-prompt": 9, "ur-dmu": 9}  # wide networks, whose steps are slow
VISUAL_DIM, AUDIO_DIM = 12, 7
CLASSES = ("normal", "fighting", "riot")
PAIRED_TARGETS = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]])  # the normal bags first
LATER_STAGES: dict[str, tuple[str, ...]] = {"cu-net": ("single.", "labeller.")}

every_system = pytest.mark.parametrize("name", SYSTEMS)


@functools.cache
def tiny() -> Dataset:
    return load_synthetic("tiny")


def recipe(name: str, *, epochs: int) -> TrainingConfig:
    return TrainingConfig(
        network_kind=name,
        bags=BagConfig(max_snippets=32),
        optimizer=OptimizerConfig(
            kind="adam", learning_rate=1e-3, weight_decay=1e-3, batch_size=20, epochs=epochs, milestones=()
        ),
    )


def train(config: TrainingConfig, **options) -> TrainingProgress:
    """On half of the videos, which is enough for all but learning."""
    supervision = Supervision(tiny().classes, validation=tiny().validation)
    return train_network(tiny().train[:20], config, supervision, **options)


def make_bags(lengths: list[int], *, longest: int, padding: float) -> Bags:
    generator = torch.Generator().manual_seed(0)
    visual, audio = (torch.full((len(lengths), longest, width), padding) for width in (VISUAL_DIM, AUDIO_DIM))
    for bag, length in enumerate(lengths):
        for rows in (visual, audio):
            rows[bag, :length] = torch.randn(length, rows.shape[2], generator=generator)
    return Bags(visual, audio, torch.arange(longest) < torch.tensor(lengths)[:, None])


def untrained(name: str) -> System:
    system = build_system(name, visual_dim=VISUAL_DIM, audio_dim=AUDIO_DIM, classes=CLASSES)
    return shake(system).requires_grad_(False)


def scores_of(system: System, bags: Bags) -> torch.Tensor:
    """Anomaly logits, and class logits where there are any, side by side, [B, T, 1 or 1 + C]."""
    outputs = system(*bags)
    class_logits = [] if outputs.class_logits is None else [outputs.class_logits]
    return torch.cat([outputs.anomaly_logits[..., None], *class_logits], dim=-1)


@every_system
def test_learns_synthetic_videos(name: str) -> None:
    data = tiny()
    config = recipe(name, epochs=FEWER_EPOCHS.get(name, EPOCHS))
    trained = train_network(data.train, config, Supervision(data.classes)).last
    report = evaluate(trained, data)
    assert (report.network, report.split, report.selection) == (name, "test", "last")
    (reached,) = (m.percent for m in report.measures if (m.name, m.head) == ("frame_ap", "classifier"))
    assert reached > report.positive_percent + MARGIN_PERCENT  # a random score gets the share of anomalous frames


@every_system
@pytest.mark.parametrize("epoch", [1, 7])  # some learn in stages
def test_padding_and_other_bags_change_no_score_or_loss(name: str, epoch: int) -> None:
    system = untrained(name)
    for earlier in range(1, epoch + 1):
        system.begin_epoch(earlier, 10)
    lengths = [23, 1, 9, 35]
    tight, wide = (make_bags(lengths, longest=longest, padding=padding) for longest, padding in ((35, 0.0), (50, 9.0)))
    together, padded = scores_of(system, tight), scores_of(system, wide)
    for bag, length in enumerate(lengths):
        alone = scores_of(system, tight.take(torch.tensor([bag])))[0]
        torch.testing.assert_close(together[bag, :length], alone, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(padded[bag, :length], alone, rtol=1e-4, atol=1e-4)
    assert together[0].std(dim=0).max() > 1e-3  # equal scores would agree with anything
    losses = []
    for bags in (tight, wide):
        torch.manual_seed(0)  # of what a loss draws
        losses.append(system.losses(make_batch(bags, PAIRED_TARGETS)))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-4)


@every_system
def test_every_parameter_of_the_first_stage_has_a_gradient(name: str) -> None:
    """From bags of any length, those of a single snippet included."""
    torch.manual_seed(0)
    system = shake(build_system(name, visual_dim=VISUAL_DIM, audio_dim=AUDIO_DIM, classes=CLASSES)).train()
    system.begin_epoch(1, 1)
    losses = system.losses(make_batch(make_bags([1, 18, 35, 3], longest=35, padding=0.0), PAIRED_TARGETS))
    assert all(loss.shape == () for loss in losses.values())
    sum(losses.values()).backward()
    for key, parameter in system.named_parameters():
        if key.startswith(LATER_STAGES.get(name, ())):
            continue
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        # A softmax over keys does not see what is added to all of them.
        assert parameter.grad.any() or key.endswith("key.bias"), key


@every_system
def test_uses_audio_matches_the_forward_pass(name: str) -> None:
    system = untrained(name)
    bags = make_bags([23], longest=23, padding=0.0)
    with_sound = scores_of(system, bags)
    if system.uses_audio:
        assert not torch.equal(scores_of(system, bags._replace(audio=-bags.audio)), with_sound)
    else:
        assert torch.equal(scores_of(system, bags._replace(audio=None)), with_sound)


@every_system
def test_checkpoint_round_trip_keeps_scores(tmp_path: Path, name: str) -> None:
    data = tiny()
    trained = train(recipe(name, epochs=1)).last
    provenance = data.train[0].stored.provenance
    header = CheckpointHeader(
        name=name,
        classes=data.classes,
        encoders="synthetic",
        features=provenance,
        visual_dim=32,
        audio_dim=32,
        network=NetworkConfig(),
        thresholds={name: UNVALIDATED},
        selection={name: "last"},
        card="",
    )
    path = tmp_path / "system.safetensors"
    save_checkpoint(path, Checkpoint(header, {name: trained}))
    before = score_features(trained, data.test[0].load())
    after = score_features(load_checkpoint(path).networks[name], data.test[0].load())
    np.testing.assert_array_equal(after.anomaly_scores, before.anomaly_scores)
    assert (after.class_probabilities is None) == (before.class_probabilities is None)
    if before.class_probabilities is not None:
        np.testing.assert_array_equal(after.class_probabilities, before.class_probabilities)


@every_system
def test_resumed_run_ends_with_the_same_weights(tmp_path: Path, name: str) -> None:
    config = recipe(name, epochs=3)
    whole = train(config)

    def interrupt(progress: TrainingProgress) -> None:
        if len(progress.metrics) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, run=RunFolder(tmp_path, config, device="cpu"), on_epoch=interrupt)
    resumed = train(config, run=RunFolder(tmp_path, config, device="cpu"))
    assert resumed.metrics == whole.metrics
    for ours, theirs in ((resumed.last, whole.last), (resumed.best, whole.best)):
        found, expected = ours.tensors(), theirs.tensors()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)


@every_system
def test_training_does_not_change_a_frozen_copy(name: str) -> None:
    kept: list[dict[str, torch.Tensor]] = []
    snapshots: list[System] = []

    def keep(progress: TrainingProgress) -> None:
        snapshots.append(progress.last)
        kept.append({key: tensor.clone() for key, tensor in progress.last.tensors().items()})

    train(recipe(name, epochs=2), on_epoch=keep)
    assert all(torch.equal(tensor, kept[0][key]) for key, tensor in snapshots[0].tensors().items())
    assert not any(parameter.requires_grad for parameter in snapshots[0].parameters())
    assert not any(module.training for module in snapshots[0].modules())


def test_every_system_has_a_recipe() -> None:
    found = {path.stem: read_config(path, TrainingConfig) for path in RECIPES.glob("*.toml")}
    assert found.keys() == {*SYSTEMS, "vadclip"}
    for name, config in found.items():
        assert config.network_kind == name if config.network_kind in SYSTEMS else name == "vadclip"
        with torch.device("meta"):  # raises where the recipe has a table that its network does not read
            build_from_recipe(config, visual_dim=VISUAL_DIM, audio_dim=AUDIO_DIM, classes=CLASSES)
        if name in SYSTEMS and SYSTEMS[name].pairing == "paired":
            assert config.optimizer.batch_size % 2 == 0


@pytest.mark.parametrize(
    ("name", "kind", "learning_rate", "weight_decay", "max_snippets"),
    [
        ("deep-mil", "adagrad", 1e-2, 1e-3, 32),
        ("hl-net", "adam", 1e-4, 0.0, 200),
        ("rtfm", "adam", 1e-3, 5e-3, 32),
        ("ur-dmu", "adam", 1e-4, 5e-5, 200),
        ("macil-sd", "adam", 4e-4, 0.0, 200),
        ("vadclip", "adamw", 1e-5, 0.01, 256),
    ],
)
def test_published_recipes_have_the_published_numbers(
    name: str, kind: str, learning_rate: float, weight_decay: float, max_snippets: int
) -> None:
    config = read_config(RECIPES / f"{name}.toml", TrainingConfig)
    optimizer = config.optimizer
    assert (optimizer.kind, optimizer.learning_rate, optimizer.weight_decay) == (kind, learning_rate, weight_decay)
    assert config.bags.max_snippets == max_snippets


def test_published_recipes_have_the_published_lengths() -> None:
    found = {name: read_config(RECIPES / f"{name}.toml", TrainingConfig).optimizer for name in ("hl-net", "macil-sd")}
    assert {(each.epochs, each.batch_size) for each in found.values()} == {(50, 128)}
    macil_sd = found["macil-sd"]
    assert (macil_sd.schedule, macil_sd.cosine_epochs) == ("cosine", 60)
    rates = [learning_rate(found["hl-net"], epoch) for epoch in (9, 10)]  # its scheduler steps before the tenth epoch
    assert rates == pytest.approx([1e-4, 1e-5])
    ur_dmu = read_config(RECIPES / "ur-dmu.toml", TrainingConfig).optimizer
    assert (ur_dmu.epochs * (ur_dmu.steps_per_epoch or 0), ur_dmu.batch_size) == (3000, 64 + 64)
