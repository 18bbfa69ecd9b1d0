import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from sklearn.metrics import average_precision_score

import avadclip.training.loop
import avadclip.training.validation
from avadclip.config import DistillationConfig, NetworkConfig, OptimizerConfig, TrainingConfig
from avadclip.data.bags import Bag, bin_bag
from avadclip.errors import ConfigError, DataError
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.scoring import score_features
from avadclip.model.base import System
from avadclip.training.loop import Step, Supervision, TrainingProgress, train_network
from avadclip.training.run_folder import RunFolder
from avadclip.training.teacher import TeacherFeatures
from avadclip.training.validation import video_scores

torch.set_num_threads(1)

CLASSES = ("normal", "fighting", "riot")
KINDS = ["teacher", "visual student", "audio student"]


def make_bags(
    number: int = 18, *, seed: int = 0, length: int | None = None, strength: float = 3.0, width: int = 12
) -> list[Bag]:
    """Noise; in anomalous bags four snippets in a row carry their class, in picture and sound."""
    random = np.random.default_rng(seed)
    directions = np.random.default_rng(99).normal(size=(2, width)) * strength / width**0.5
    bags = []
    for index in range(number):
        size = int(random.integers(6, 24)) if length is None else length
        rows = random.normal(size=(size, width))
        targets = np.zeros(3, np.float32)
        targets[index % 3] = 1
        if index % 3:
            start = int(random.integers(0, size - 4))
            rows[start : start + 4] += directions[index % 3 - 1]
        rows = rows.astype(np.float32)
        features = SnippetFeatures(
            rows[None, :, : width * 7 // 12].copy(), rows[:, width * 7 // 12 :].copy(), size * 2 / 3, provenance=None
        )
        bags.append(Bag(f"bag {index}", f"film {index}", features, targets))
    return bags


def recipe(*, epochs: int = 2, seed: int = 0, network: dict | None = None, **changes: object) -> TrainingConfig:
    optimizer = {"learning_rate": 1e-2, "batch_size": 6, "epochs": epochs, "milestones": (), **changes.pop("step", {})}
    return TrainingConfig(
        seed=seed,
        network=NetworkConfig(**{"embed_dim": 8, **(network or {})}),
        optimizer=OptimizerConfig(**optimizer),
        **changes,
    )


def train(
    kind: str, bags: list[Bag], config: TrainingConfig, *, run: RunFolder | None = None, **options
) -> TrainingProgress:
    hooks = {name: options.pop(name) for name in ("on_step", "on_epoch") if name in options}
    config = config.model_copy(update={"network_kind": kind})
    return train_network(bags, config, Supervision(CLASSES, **options), run=run, **hooks)


def weights(network: System) -> dict[str, torch.Tensor]:
    return network.tensors()


def assert_same(left: System, right: System) -> None:
    for name, tensor in weights(left).items():
        assert torch.equal(tensor, weights(right)[name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(kind: str) -> None:
    bags = make_bags()
    first = train(kind, bags, recipe())
    torch.rand(17)  # whatever else drew random numbers
    second = train(kind, bags, recipe())
    assert_same(first.last, second.last)
    assert first.metrics == second.metrics
    other = train(kind, bags, recipe(seed=1))
    assert not torch.equal(first.last.class_text(), other.last.class_text())


@pytest.mark.parametrize(("kind", "variant"), [*((kind, "paper") for kind in KINDS), ("teacher", "released")])
def test_separable_bags_are_separated(kind: str, variant: str) -> None:
    config = recipe(epochs=12, network={"variant": variant}, step={"learning_rate": 5e-3})
    trained = train(kind, make_bags(30, strength=8.0), config).last
    unseen = make_bags(30, seed=5, strength=8.0)
    scores = video_scores(trained, unseen)
    anomalous = np.array([bag.is_anomalous for bag in unseen])
    # Nearly every anomalous video above nearly every normal one (ROC AUC).
    assert (scores[anomalous][:, None] > scores[~anomalous]).mean() > 0.9


def test_the_alignment_branch_separates_the_classes() -> None:
    config = recipe(epochs=8, network={"embed_dim": 32}, step={"learning_rate": 5e-3})
    trained = train("teacher", make_bags(30, strength=8.0), config).last
    hits = []
    for bag in make_bags(30, seed=5, strength=8.0):
        if bag.is_anomalous:
            scores = score_features(trained, bag.load())
            peak = int(scores.anomaly_scores.argmax())
            hits.append(1 + scores.class_probabilities[peak, 1:].argmax() == bag.targets.argmax())
    assert np.mean(hits) > 0.9


def test_every_bag_is_used_once_an_epoch_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs: list[list[str]] = []
    collate = avadclip.training.loop.collate
    sizes: list[int] = []

    def counted(bags, **options):
        sizes.append(len(bags))
        epochs.append([bag.name for bag in bags])
        return collate(bags, **options)

    monkeypatch.setattr(avadclip.training.loop, "collate", counted)
    bags = make_bags(8)
    train("visual student", bags, recipe(step={"batch_size": 3}))
    assert sizes == [3, 3, 2] * 2
    orders = [[name for step in part for name in step] for part in (epochs[:3], epochs[3:])]
    assert [sorted(order) for order in orders] == [sorted(bag.name for bag in bags)] * 2
    assert orders[0] != orders[1]


@pytest.mark.parametrize(("variant", "width"), [("paper", 9), ("released", 256)])
def test_the_release_trains_on_windows_of_256(monkeypatch, variant: str, width: int) -> None:
    shapes: list[tuple[int, ...]] = []
    collate = avadclip.training.loop.collate

    def watched(bags, **options):
        batch = collate(bags, **options)
        shapes.append(tuple(batch.bags.visual.shape))
        return batch

    monkeypatch.setattr(avadclip.training.loop, "collate", watched)
    train("visual student", make_bags(3, length=9), recipe(epochs=1, network={"variant": variant}))
    assert shapes == [(3, width, 7)]


def test_long_videos_are_binned_for_training() -> None:
    bags = make_bags(3, length=600)
    binned = [avadclip.training.loop.bin_bag(bag) for bag in bags]
    assert {len(bag.load()) for bag in binned} == {256}
    assert_same(train("teacher", bags, recipe(epochs=1)).last, train("teacher", binned, recipe(epochs=1)).last)


def test_inputs_are_standardised_by_the_training_bags() -> None:
    bags = make_bags(5)
    network = train("teacher", bags, recipe(epochs=1)).last
    rows = np.concatenate([bag.load().visual[0] for bag in bags])
    sound = np.concatenate([bag.load().audio for bag in bags])
    np.testing.assert_allclose(network.encoder.visual_projection.mean.numpy(), rows.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(network.encoder.audio_projection.mean.numpy(), sound.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(network.encoder.visual_projection.deviation.numpy(), rows.std(axis=0, ddof=1), rtol=1e-4)


def test_the_learning_rate_falls_to_a_tenth_after_each_milestone() -> None:
    metrics = train("visual student", make_bags(4), recipe(epochs=4, step={"milestones": (1, 3)})).metrics
    assert [line["epoch"] for line in metrics] == [1, 2, 3, 4]
    assert [line["learning_rate"] for line in metrics] == pytest.approx([1e-2, 1e-3, 1e-3, 1e-4])


def test_weights_driven_out_of_the_numbers_by_the_last_step_end_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(optimizer: torch.optim.Optimizer, *_: object) -> None:
        for parameter in optimizer.param_groups[0]["params"]:
            parameter.data.fill_(torch.nan)

    monkeypatch.setattr(torch.optim.AdamW, "step", explode)
    with pytest.raises(ConfigError, match="epoch 1 left weights that are no numbers"):
        train("visual student", make_bags(4), recipe(epochs=1, step={"batch_size": 4}))


def test_steps_and_losses_are_reported() -> None:
    steps: list[Step] = []
    metrics = train("visual student", make_bags(8), recipe(), on_step=steps.append).metrics
    assert [(step.epoch, step.step, step.num_steps) for step in steps] == [(1, 1, 2), (1, 2, 2), (2, 1, 2), (2, 2, 2)]
    assert not any(part.requires_grad for step in steps for part in step.losses.values())
    means = [np.mean([float(step.losses["total"]) for step in steps[i : i + 2]]) for i in (0, 2)]
    assert [line["total"] for line in metrics] == pytest.approx(means)
    assert all(line["validation_ap"] is None for line in metrics)


def test_the_best_epoch_is_the_first_with_the_highest_validation_ap(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = iter([0.5, 0.9, 0.7, 0.9])
    monkeypatch.setattr(avadclip.training.validation, "average_precision_score", lambda *_: next(wanted))
    seen: list[TrainingProgress] = []
    bags = make_bags(6)
    progress = train("visual student", bags, recipe(epochs=4), validation=bags[:3], on_epoch=seen.append)
    assert [line["validation_ap"] for line in progress.metrics] == [0.5, 0.9, 0.7, 0.9]
    assert_same(progress.best, seen[1].last)
    assert_same(progress.last, seen[3].last)
    assert not torch.equal(progress.best.class_text(), progress.last.class_text())
    # One object: whoever measures or writes the last need not do so again for the best.
    assert [progress.best is progress.last for progress in seen] == [True, True, False, False]
    assert seen[2].best is seen[1].last


def test_without_validation_the_best_is_the_last() -> None:
    progress = train("visual student", make_bags(6), recipe())
    assert_same(progress.best, progress.last)


def test_what_training_gives_is_frozen_and_ready_to_score() -> None:
    progress = train("teacher", make_bags(6), recipe(epochs=1))
    for trained in (progress.last, progress.best):
        assert not any(parameter.requires_grad for parameter in trained.parameters())
        assert not any(module.training for module in trained.modules())
        assert not trained.class_text().requires_grad


@pytest.mark.parametrize("kind", ["teacher", "audio student"])
@pytest.mark.parametrize("changes", [{"audio": None}, {"sound_is_silent": True}])
def test_a_bag_without_sound_is_named_where_sound_is_needed(kind: str, changes: dict) -> None:
    bags = make_bags(4)
    bags[2] = dataclasses.replace(bags[2], stored=dataclasses.replace(bags[2].load(), **changes))
    with pytest.raises(DataError, match=r"1 of 4 .*bag 2") as refused:
        train(kind, bags, recipe(epochs=1))
    assert "\n" not in str(refused.value)
    train("visual student", bags, recipe(epochs=1))


# Uncertainty gives up on the channels that are hard to match, and so comes less close to all of them.
@pytest.mark.parametrize(("kind", "share"), [("uncertainty", 0.95), ("mse", 0.7)])
@pytest.mark.parametrize("student", ["visual student", "audio student"])
def test_distillation_brings_the_students_features_to_the_teachers(kind: str, share: float, student: str) -> None:
    bags = make_bags(12)
    teacher = train("teacher", bags, recipe()).last
    before = {name: tensor.clone() for name, tensor in weights(teacher).items()}
    distances = {}
    for weight in (0.0, 5.0):
        config = recipe(epochs=15, distillation=DistillationConfig(kind=kind, weight=weight))
        trained = train(student, bags, config, teacher=teacher).last
        batch = avadclip.training.loop.collate(bags)
        with torch.no_grad():
            gaps = [network(*batch.bags).features[batch.bags.mask] for network in (trained, teacher)]
        distances[weight] = (gaps[0] - gaps[1]).square().mean().item()
    assert distances[5.0] < share * distances[0.0]
    for name, tensor in weights(teacher).items():
        assert torch.equal(tensor, before[name]), name
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_bags_without_sound_can_be_in_a_distilled_students_training() -> None:
    bags = make_bags(6)
    teacher = train("teacher", bags, recipe(epochs=1)).last
    silent = [dataclasses.replace(bag, stored=dataclasses.replace(bag.load(), audio=None)) for bag in bags[:4]]
    config = recipe(step={"batch_size": 2}, distillation=DistillationConfig(kind="uncertainty"))
    metrics = train("visual student", [*silent, *bags[4:]], config, teacher=teacher).metrics
    assert all(np.isfinite(line["total"]) for line in metrics)
    assert all(line["distillation"] != 0 for line in metrics)


def distilled(monkeypatch: pytest.MonkeyPatch, aps: list[float], **options) -> TrainingProgress:
    """A student of four epochs whose validation APs are given: its own after an epoch, which is also that beside its
    teacher; the teacher's is .6.
    """
    wanted = iter([aps[0], 0.6, aps[0], *(ap for ap in aps[1:] for _ in range(2))])
    bags = make_bags(6)
    teacher = train("teacher", bags, recipe(epochs=1)).last
    monkeypatch.setattr(avadclip.training.validation, "average_precision_score", lambda *_: next(wanted))
    config = recipe(epochs=len(aps), distillation=DistillationConfig(kind="mse"))
    return train("visual student", bags, config, teacher=teacher, validation=bags, **options)


def test_a_student_is_not_taught_by_a_teacher_that_is_worse_on_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = distilled(monkeypatch, [0.5, 0.7, 0.6, 0.8]).metrics
    assert [line["is_taught"] for line in metrics] == [True, True, False, True]
    assert [line["distillation"] > 0 for line in metrics] == [True, True, False, True]
    assert [line["lead_over_teacher"] for line in metrics] == pytest.approx([-0.1, 0.1, 0.0, 0.2])
    metrics = distilled(monkeypatch, [0.9, 0.9, 0.9, 0.9], always_taught=True).metrics
    assert [line["distillation"] > 0 for line in metrics] == [True] * 4


def test_student_and_teacher_are_compared_on_videos_with_sound_alone() -> None:
    bags = make_bags(9)
    silent = [dataclasses.replace(bag, stored=dataclasses.replace(bag.load(), audio=None)) for bag in bags]
    teacher = train("teacher", bags, recipe(epochs=1)).last
    config = recipe(distillation=DistillationConfig(kind="mse"))
    for validation in (silent, [*silent, bags[0]]):  # none with sound, or of one kind only
        metrics = train("visual student", bags, config, teacher=teacher, validation=validation).metrics
        assert [(line["is_taught"], line["lead_over_teacher"]) for line in metrics] == [(True, None)] * 2
    progress = train("visual student", bags, config, teacher=teacher, validation=[*silent[:3], *bags[3:]])
    anomalous = [bag.is_anomalous for bag in bags[3:]]
    own, others = (
        average_precision_score(anomalous, video_scores(each, bags[3:])) for each in (progress.last, teacher)
    )
    assert progress.metrics[-1]["lead_over_teacher"] == pytest.approx(own - others)


def test_a_student_sees_damaged_pictures_and_its_teacher_clear_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    bags = make_bags(6, length=20)
    clear = {bag.name: bag.load().visual for bag in bags}
    teacher = train("teacher", bags, recipe(epochs=1)).last
    seen: dict[str, list[np.ndarray]] = {"teacher": [], "loop": []}  # which snippets differ, [T] each
    marked: list[np.ndarray] = []  # those that the loss takes for damaged

    def watch(module: str) -> None:
        collate = getattr(avadclip.training, module).collate

        def watched(bags: list[Bag], **options):
            seen[module] += [(bag.load().visual != clear[bag.name]).any(axis=(0, 2)) for bag in bags]
            return collate(bags, **options)

        monkeypatch.setattr(getattr(avadclip.training, module), "collate", watched)

    watch("teacher")
    watch("loop")
    step = avadclip.training.loop._StepLosses.forward
    monkeypatch.setattr(
        avadclip.training.loop._StepLosses,
        "forward",
        lambda self, batch: (marked.extend(batch.damaged.numpy()), step(self, batch))[1],
    )
    config = recipe(distillation=DistillationConfig(kind="mse", damaged_share=0.25))
    train("visual student", bags, config, teacher=teacher)
    np.testing.assert_array_equal(marked, seen["loop"])
    assert [differs.sum() for differs in seen["teacher"]] == [0] * 6
    assert {differs.sum() for differs in seen["loop"]} == {4, 5}  # a frozen stretch differs from its second snippet on
    assert len({differs.tobytes() for differs in seen["loop"]}) > 3  # drawn anew for every video and epoch


def test_a_teacher_reads_the_clear_copy_where_there_is_one() -> None:
    bags = make_bags(4, length=20)
    teacher = train("teacher", bags, recipe(epochs=1)).last
    black = dataclasses.replace(bags[0].load(), visual=np.zeros_like(bags[0].load().visual))
    damaged = dataclasses.replace(bags[0], stored=black, clear=bags[0].stored)
    assert torch.equal(features_of(teacher, damaged), features_of(teacher, bags[0]))
    without = dataclasses.replace(damaged, clear=None)
    assert not torch.allclose(features_of(teacher, without), features_of(teacher, bags[0]))
    short = bin_bag(damaged, max_snippets=5)
    assert torch.equal(features_of(teacher, short), features_of(teacher, bin_bag(bags[0], max_snippets=5)))


def features_of(teacher: System, bag: Bag) -> torch.Tensor:
    return TeacherFeatures(teacher).of([bag], len(bag.stored))


@pytest.mark.parametrize("stop_after", [1, 2, 4])
def test_an_interrupted_run_goes_on_to_the_same_weights(tmp_path: Path, stop_after: int) -> None:
    bags, config = make_bags(8), recipe(epochs=4, step={"milestones": (2,)})
    options = {"validation": bags[:4]}
    whole = train("teacher", bags, config, **options)

    def interrupt(progress: TrainingProgress) -> None:
        if len(progress.metrics) == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("teacher", bags, config, run=RunFolder(tmp_path, config, device="cpu"), on_epoch=interrupt, **options)
    epochs: list[int] = []
    resumed = train(
        "teacher",
        bags,
        config,
        run=RunFolder(tmp_path, config, device="cpu"),
        on_epoch=lambda progress: epochs.append(len(progress.metrics)),
        **options,
    )
    assert epochs == list(range(stop_after, 5))  # the one whose state was not kept is done again
    assert_same(resumed.last, whole.last)
    assert_same(resumed.best, whole.best)
    assert resumed.metrics == whole.metrics


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    bags, config = make_bags(6), recipe()
    finished = train("teacher", bags, config, run=RunFolder(tmp_path, config, device="cpu"))
    steps: list[Step] = []
    again = train("teacher", bags, config, run=RunFolder(tmp_path, config, device="cpu"), on_step=steps.append)
    assert steps == []
    assert_same(again.last, finished.last)


def test_bfloat16_trains_too() -> None:
    metrics = train("teacher", make_bags(9), recipe(epochs=4, step={"precision": "bf16"})).metrics
    assert all(np.isfinite(line["total"]) for line in metrics)
    assert metrics[-1]["total"] < metrics[0]["total"]


def test_a_videos_score_is_the_mean_of_its_highest_snippets() -> None:
    trained = train("visual student", make_bags(4), recipe(epochs=1)).last
    (bag,) = make_bags(1, length=40)
    highest = np.sort(score_features(trained, bag.load()).anomaly_scores)[-3:]  # 40 // 16 + 1
    assert video_scores(trained, [bag]) == pytest.approx([highest.mean()])


def test_a_state_of_another_version_is_refused_in_one_line(tmp_path: Path) -> None:
    bags, config = make_bags(4), recipe(epochs=2)
    train("visual student", bags, config, run=RunFolder(tmp_path, config, device="cpu"))
    state = tmp_path / "state.safetensors"
    tensors = load_file(state)
    with safe_open(state, framework="pt") as file:
        metadata = file.metadata()
    save_file({f"{name}.old" if name.startswith("best/") else name: tensors[name] for name in tensors}, state, metadata)
    with pytest.raises(ConfigError, match="holds the state of another version of this network; choose another --out"):
        train("visual student", bags, config, run=RunFolder(tmp_path, config, device="cpu"))


def test_the_teacher_runs_once_a_bag_and_kept_features_equal_those_computed_again() -> None:
    bags = make_bags(8)
    teacher = train("teacher", bags, recipe(epochs=1)).last
    kept, recomputed = TeacherFeatures(teacher), TeacherFeatures(teacher, max_bytes=0)
    batches = [bags[:5], bags[3:], bags[::2], bags[:5]]
    for batch in batches:
        length = max(len(bag.stored) for bag in batch)
        assert torch.equal(kept.of(batch, length), recomputed.of(batch, length))
    assert kept.num_computed == len(bags)
    assert recomputed.num_computed == sum(map(len, batches))


def test_teacher_features_stop_at_the_bound_of_their_file() -> None:
    bags = make_bags(4, length=10)
    teacher = train("teacher", bags, recipe(epochs=1)).last
    bounded = TeacherFeatures(teacher, max_bytes=2 * 10 * 8 * 4)  # two bags of 10 snippets, 8 wide
    for _ in range(3):
        bounded.of(bags, 10)
    assert bounded.num_computed == 4 + 2 + 2


def test_teacher_features_are_zero_for_bags_without_sound() -> None:
    bags = make_bags(3, length=9)
    teacher = train("teacher", bags, recipe(epochs=1)).last
    silent = dataclasses.replace(bags[1], stored=dataclasses.replace(bags[1].load(), audio=None))
    features = TeacherFeatures(teacher).of([bags[0], silent], 12)
    assert features[0, :9].abs().sum() > 0
    assert (features[0, 9:] == 0).all()
    assert (features[1] == 0).all()
    assert TeacherFeatures(teacher).of([silent], 9) is None


class CountedFeatures:
    """Features in a file, as far as training knows."""

    def __init__(self, features: SnippetFeatures) -> None:
        self.visual_width, self.audio_width = features.visual_width, features.audio_width
        self.has_usable_sound, self.provenance = features.has_usable_sound, features.provenance
        self.num_reads = 0
        self._features = features

    def __len__(self) -> int:
        return len(self._features)

    def load(self) -> SnippetFeatures:
        self.num_reads += 1
        return self._features


def test_stored_features_are_read_once_to_standardise_and_once_an_epoch() -> None:
    bags = [dataclasses.replace(bag, stored=CountedFeatures(bag.load())) for bag in make_bags(12)]
    train("teacher", bags[:6], recipe(epochs=3), validation=bags[6:])
    assert [bag.stored.num_reads for bag in bags] == [1 + 3] * 6 + [3] * 6


def test_stored_features_of_the_networks_own_width_are_not_read_before_training() -> None:
    bags = [dataclasses.replace(bag, stored=CountedFeatures(bag.load())) for bag in make_bags(6, width=18)]
    train("visual student", bags, recipe(epochs=2, network={"embed_dim": 10}))
    assert [bag.stored.num_reads for bag in bags] == [2] * 6
