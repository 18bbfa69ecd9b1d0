import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest
import torch

from avadclip.config import NetworkConfig
from avadclip.data.bags import Bag, Dataset, Interval
from avadclip.data.damage import FeatureDamage
from avadclip.errors import DataError
from avadclip.evaluation.evaluate import check_fit, evaluate
from avadclip.evaluation.metrics.records import Report
from avadclip.evaluation.robustness import (
    AUTOMATIC,
    CONDITIONS,
    RobustnessReport,
    measure_robustness,
    student_variances,
)
from avadclip.events import Thresholds
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader
from avadclip.inference.networks import build_network
from avadclip.inference.scoring import student_variance
from avadclip.media.damage import DAMAGES
from avadclip.timeline import SnippetGrid

CLASSES = ("normal", "fighting")
GRID = SnippetGrid()
DIM = 8
PROVENANCE = Provenance(grid=GRID, visual={"name": "made up"}, audio={"name": "made up"})
KINDS: tuple[str, ...] = ("teacher", "visual student", "audio student")


def make_bags(*, sound: Sequence[bool] = (True,) * 4) -> tuple[Bag, ...]:
    bags = []
    for number, with_sound in enumerate(sound):
        random = np.random.default_rng(number)
        visual, audio = (random.normal(size=(9, DIM)).astype(np.float32) for _ in range(2))
        held = SnippetFeatures(visual[None], audio if with_sound else None, 6.0, PROVENANCE)
        fights = number % 2
        intervals = (Interval("fighting", 1.0, 3.5),) if fights else ()
        targets = np.eye(2, dtype=np.float32)[fights]
        bags.append(Bag(f"yard-{number}", f"yard-{number}", held, targets, intervals))
    return tuple(bags)


def make_dataset(bags: tuple[Bag, ...]) -> Dataset:
    return Dataset("yard", CLASSES, GRID, (), (), bags, is_synthetic=True)


def make_checkpoint(kinds: Sequence[str] = KINDS) -> Checkpoint:
    torch.manual_seed(0)
    config = NetworkConfig(embed_dim=DIM)
    networks = {
        kind: build_network(kind, visual_dim=DIM, audio_dim=DIM, classes=CLASSES, network=config).frozen()
        for kind in kinds
    }
    for network in networks.values():
        if network.uncertainty is not None:  # else sigma^2 is 1, as before training
            torch.nn.init.normal_(network.uncertainty.log_variance.weight)
    header = CheckpointHeader(
        name="guard",
        classes=CLASSES,
        encoders="lite",
        features=PROVENANCE,
        visual_dim=DIM,
        audio_dim=DIM,
        network=config,
        thresholds=dict.fromkeys(kinds, Thresholds(0.5, None)),
        selection={kind: "validation" if kind == "teacher" else "last" for kind in kinds},
        card="",
    )
    return Checkpoint(header, networks)


def measured(bags: tuple[Bag, ...], checkpoint: Checkpoint | None = None) -> RobustnessReport:
    return measure_robustness(checkpoint or make_checkpoint(), make_dataset(bags), "test", FeatureDamage(bags, GRID))


@pytest.fixture(scope="module")
def report() -> RobustnessReport:
    """Of three networks on videos with sound."""
    return measured(make_bags())


def evaluated(kind: str, bags: Sequence[Bag]) -> Report:
    """By the path of `avadclip evaluate`."""
    return evaluate(make_checkpoint().networks[kind], make_dataset(tuple(bags)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_is_that_of_a_separate_evaluation(report: RobustnessReport, kind: str) -> None:
    bags = make_bags()
    damage = FeatureDamage(bags, GRID)
    assert [each.name for each in report.conditions] == ["clean", *DAMAGES]
    seen = set()
    for condition in CONDITIONS:
        under = [
            bag if condition == "clean" else dataclasses.replace(bag, stored=damage(i, condition))
            for i, bag in enumerate(bags)
        ]
        expected, found = evaluated(kind, under), report.find(condition, kind)
        for head in ("classifier", "alignment"):
            for name in ("frame_ap", "pr_auc", "roc_auc", "calibration_error"):
                assert found.percent(name, head=head) == expected.percent(name, head=head)
        assert found.false_alarms == tuple(
            each.model_copy(update={"selection": found.selection}) for each in expected.false_alarms
        )
        seen.add(found.percent("roc_auc", head="classifier"))
    assert len(seen) > 2  # damage to its modality changes its figures


def test_the_automatic_choice_goes_by_the_level_of_the_sound_alone(report: RobustnessReport) -> None:
    chosen = {each.name: each.chosen for each in report.conditions}
    assert chosen.pop("muted") == {"visual student": 4}
    assert set(chosen) == set(CONDITIONS) - {"muted"}
    assert all(each == {"teacher": 4} for each in chosen.values())
    for condition in CONDITIONS:
        own, expected = (
            report.find(condition, name)
            for name in (AUTOMATIC, "visual student" if condition == "muted" else "teacher")
        )
        assert own.percent("frame_ap", head="classifier") == expected.percent("frame_ap", head="classifier")
        assert own.selection == expected.selection


def test_the_automatic_choice_mixes_networks_by_video_and_says_both_selections() -> None:
    bags = make_bags(sound=(True, True, False, True))
    report = measured(bags)
    assert report.networks == ("visual student", AUTOMATIC)
    assert report.conditions[0].chosen == {"teacher": 3, "visual student": 1}
    assert report.find("clean", AUTOMATIC).selection == "last and validation"
    assert "clean: no teacher: yard-2 has no sound" in report.notes
    assert "muted: no audio student: yard-2 has no sound" in report.notes


def test_a_choice_that_the_checkpoint_lacks_is_a_note() -> None:
    report = measured(make_bags(), make_checkpoint(["teacher", "audio student"]))
    assert report.find("clean", AUTOMATIC) is not None
    assert report.find("muted", AUTOMATIC) is None
    assert report.notes == ("muted: no automatic choice: yard-0 needs a visual student (the sound track is silent)",)


def test_one_network_alone_leaves_nothing_to_choose() -> None:
    report = measured(make_bags(), make_checkpoint(["teacher"]))
    assert report.networks == ("teacher",)
    assert report.conditions[0].median_variance == {}


def test_a_student_without_an_uncertainty_head_is_a_note() -> None:
    checkpoint = make_checkpoint()
    student = checkpoint.networks["visual student"]
    student.drop_missing_parts({})
    report = measured(make_bags(), checkpoint)
    assert report.notes[: len(student.notes)] == student.notes != ()
    assert {kind for each in report.conditions for kind in each.median_variance} == {"audio student"}


def test_no_network_that_can_score_is_one_line() -> None:
    bags = make_bags(sound=(False,) * 4)
    with pytest.raises(
        DataError, match="no network of guard can score the test split: no teacher: yard-0 has no"
    ) as no:
        measured(bags, make_checkpoint(["teacher"]))
    assert "\n" not in str(no.value)


def test_damaged_features_are_refused_by_every_other_measurement() -> None:
    bags = make_bags()
    damage = FeatureDamage(bags, GRID)
    under: tuple[Bag, ...] = tuple(dataclasses.replace(bag, stored=damage(i, "dark")) for i, bag in enumerate(bags))
    with pytest.raises(DataError, match="damage is dark, needed none"):
        check_fit(make_checkpoint(), make_dataset(under))


@pytest.mark.parametrize("length", [1, 255, 257, 600])
def test_variance_is_the_geometric_mean_of_what_the_head_says(length: int) -> None:
    random = np.random.default_rng(length)
    visual = random.normal(size=(1, length, DIM)).astype(np.float32)
    features = SnippetFeatures(visual, None, length * GRID.snippet_seconds, PROVENANCE)
    trained = make_checkpoint().networks["visual student"]
    own = student_variance(trained, features)
    windows = []
    for start in range(0, length, 256):
        part = SnippetFeatures(visual[:, start : start + 256], None, 1.0, PROVENANCE)
        windows.append(student_variance(trained, part))
    np.testing.assert_allclose(own, np.concatenate(windows), rtol=1e-5)
    assert own.shape == (length,)
    assert (own > 0).all()


def test_variance_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = make_checkpoint()
    trained = checkpoint.networks["visual student"]
    logs = torch.log(torch.tensor([1.0, 4.0] * (DIM // 2)))  # geometric mean 2
    monkeypatch.setattr(trained.uncertainty, "forward", lambda _, x, __: logs.expand(*x.shape[:2], DIM))
    np.testing.assert_allclose(student_variance(trained, make_bags()[0].load()), 2.0, rtol=1e-6)


def test_the_median_of_variance_is_over_all_snippets(report: RobustnessReport) -> None:
    bags, checkpoint = make_bags(), make_checkpoint()
    for kind in ("visual student", "audio student"):
        every = np.concatenate([student_variances(checkpoint, bag.load())[kind] for bag in bags])
        assert report.conditions[0].median_variance[kind] == pytest.approx(float(np.median(every)))
    medians = {each.name: each.median_variance for each in report.conditions}
    assert medians["black"]["visual student"] != medians["clean"]["visual student"]
    assert medians["black"]["audio student"] == medians["clean"]["audio student"]


class Recorder:
    """Damages nothing, and keeps what it was asked for."""

    of: Literal["videos"] = "videos"

    def __init__(self, bags: Sequence[Bag]) -> None:
        self._bags = bags
        self.asked: list[tuple[int, str]] = []

    def __call__(self, index: int, damage: str) -> SnippetFeatures:
        self.asked.append((index, damage))
        return self._bags[index].load()


def test_every_video_is_damaged_once_and_progress_counts_all() -> None:
    bags = make_bags()
    damage, done = Recorder(bags), []
    report = measure_robustness(
        make_checkpoint(), make_dataset(bags), "test", damage, on_video=lambda _, number: done.append(number)
    )
    assert damage.asked == [(i, name) for name in DAMAGES for i in range(len(bags))]
    assert done == list(range(8 * len(bags)))
    assert report.damage_of == "videos"
    assert RobustnessReport.model_validate_json(report.model_dump_json()) == report
