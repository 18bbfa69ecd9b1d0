import csv
import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import avadclip.evaluation.calibrate
from avadclip.config import NetworkConfig, OptimizerConfig, TrainingConfig
from avadclip.data.bags import Bag, Interval
from avadclip.data.datasets import load_dataset
from avadclip.data.footage import FootageFile
from avadclip.errors import DataError, FeatureError
from avadclip.evaluation.calibrate import calibrate
from avadclip.evaluation.calibration import CARD_HEADING, Wanted, describe
from avadclip.events import Thresholds
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.features.store import write_features
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader, load_checkpoint, save_checkpoint
from avadclip.inference.detector import load_detector
from avadclip.inference.networks import build_network
from avadclip.inference.scoring import SnippetScores
from avadclip.model.base import System
from avadclip.timeline import SnippetGrid
from avadclip.training.loop import Supervision, train_network

CLASSES = ("normal", "fighting")
GRID = SnippetGrid(snippet_frames=24, frame_rate_hz=24.0)  # a snippet is a second
BEFORE = Thresholds(0.5, 0.6)


def make_checkpoint() -> Checkpoint:
    config = NetworkConfig(embed_dim=8)
    networks = {
        kind: build_network(kind, visual_dim=8, audio_dim=8, classes=CLASSES, network=config).frozen()
        for kind in ("teacher", "visual student")
    }
    header = CheckpointHeader(
        name="guard",
        classes=CLASSES,
        encoders="lite",
        features=Provenance(grid=GRID, visual={"name": "lite"}, audio=None),
        visual_dim=8,
        audio_dim=8,
        network=config,
        thresholds=dict.fromkeys(networks, BEFORE),
        selection=dict.fromkeys(networks, "last"),
        card="# guard\n\nA guard.\n",
    )
    return Checkpoint(header, networks)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[[FootageFile], SnippetFeatures]:
    """Footage whose first visual channel is the score every network gives; names say whether there is sound."""

    def score(trained: System, features: SnippetFeatures) -> SnippetScores:
        scores = features.visual[0, :, 0]
        return SnippetScores(scores, np.stack([1 - scores, scores], axis=1))

    def read(file: FootageFile) -> SnippetFeatures:
        scores = np.full(1800, 0.1, dtype=np.float32)  # half an hour
        scores[100 : 100 * len(file.path.stem) : 100] = 0.3  # `night`: four peaks
        scores[50] = 0.7
        visual = np.repeat(scores[None, :, None], 8, axis=2)
        audio = np.zeros((1800, 8), np.float32) if "heard" in file.path.name else None
        return SnippetFeatures(visual, audio, 1800.0, provenance=None)

    monkeypatch.setattr(avadclip.evaluation.calibrate, "score_features", score)
    return read


NIGHTS = [FootageFile(Path("night"), ()), FootageFile(Path("heard"), ())]


def test_both_thresholds_keep_to_the_wanted_rates(read: Callable[[FootageFile], SnippetFeatures]) -> None:
    checkpoint = make_checkpoint()
    changed, (teacher, student) = calibrate(checkpoint, NIGHTS, read, wanted=Wanted(12.0, 2.0))
    assert (student.num_videos, student.hours, student.num_false, student.num_false_alerts) == (2, 1.0, 10, 2)
    assert dataclasses.astuple(student.thresholds) == pytest.approx((0.3, 0.7))
    assert (teacher.num_videos, teacher.hours, teacher.num_false) == (1, 0.5, 5)  # the other has no sound
    assert changed.header.thresholds["visual student"] == student.thresholds
    assert checkpoint.header.thresholds == dict.fromkeys(checkpoint.networks, BEFORE)
    assert changed.networks is checkpoint.networks


def test_what_the_footage_cannot_show_is_said(read: Callable[[FootageFile], SnippetFeatures]) -> None:
    _, (_, student) = calibrate(make_checkpoint(), NIGHTS[:1], read, wanted=Wanted(0.1, 0.01))
    assert student.num_false == 0
    assert student.thresholds.detection > 0.7
    text = "\n".join(describe(student))
    assert "0 (0.00 per hour, wanted at most 0.1); on footage like this below 5.99 per hour at 95 % confidence" in text
    assert "0.1 false alarms per hour cannot be promised from 30.0 min" in text
    assert "where a single one would be 2.00 per hour" in text
    assert "it takes 30.0 h without any to show it" in text


def test_a_rate_that_can_be_shown_makes_no_excuses(read: Callable[[FootageFile], SnippetFeatures]) -> None:
    _, (_, student) = calibrate(make_checkpoint(), NIGHTS, read, wanted=Wanted(12.0, 2.0))
    assert "cannot be promised" not in "\n".join(describe(student))


def test_a_network_without_footage_keeps_its_thresholds(read: Callable[[FootageFile], SnippetFeatures]) -> None:
    changed, (teacher, _) = calibrate(make_checkpoint(), NIGHTS[:1], read, wanted=Wanted(12.0, 2.0))
    assert changed.header.thresholds["teacher"] == BEFORE
    assert describe(teacher) == ["no footage that this network can score: its thresholds stay as they were"]


def test_annotated_events_choose_the_thresholds(read: Callable[[FootageFile], SnippetFeatures]) -> None:
    footage = [FootageFile(Path("night"), (Interval("fighting", 50.0, 51.0),))]
    _, (_, student) = calibrate(make_checkpoint(), footage, read, wanted=None)
    assert dataclasses.astuple(student.thresholds) == pytest.approx((0.7, 0.7))
    (known,) = student.known
    assert (known.what, known.num, known.num_found, student.num_false) == ("events", 1, 1, 0)
    assert (
        "found: 1 of 1 known events (100 %, 95 % interval 3 to 100 %), 1 of them as alerts; the thresholds were chosen "
        "by them"
    ) in describe(student)


LABELLED = [
    FootageFile(Path("fights"), (Interval("fighting", 50.0, 51.0), Interval("fighting", 900.5, 950.5))),
    FootageFile(Path("calm"), ()),
    FootageFile(Path("whole"), None),
    FootageFile(Path("heard"), None),
]


def test_labelled_footage_beside_normal_footage_is_measured_and_chooses_nothing(
    read: Callable[[FootageFile], SnippetFeatures],
) -> None:
    alone, _ = calibrate(make_checkpoint(), NIGHTS, read, wanted=Wanted(12.0, 2.0))
    changed, (teacher, student) = calibrate(
        make_checkpoint(), NIGHTS, read, wanted=Wanted(12.0, 2.0), measured=LABELLED
    )
    assert changed.header.thresholds == alone.header.thresholds
    assert (student.num_videos, student.hours, student.num_false) == (2, 1.0, 10)
    events, videos = student.known
    assert (events.what, events.num, events.num_found, events.num_alerted) == ("events", 2, 1, 1)
    assert (videos.what, videos.num, videos.num_found) == ("videos", 2, 2)
    lines = describe(student)
    assert "found: 1 of 2 known events (50 %, 95 % interval 1 to 99 %), 1 of them as alerts" in lines
    assert any(line.startswith("found: 2 of 2 known videos (100 %, 95 % interval 16 to 100 %)") for line in lines)
    assert [(each.what, each.num) for each in teacher.known] == [("videos", 1)]  # the others have no sound
    assert all(f"- {line}" in changed.header.card for line in lines)


def test_a_threshold_above_every_known_event_is_a_warning_with_what_finding_one_costs(
    read: Callable[[FootageFile], SnippetFeatures],
) -> None:
    quiet = [FootageFile(Path("far"), (Interval("fighting", 200.0, 210.0),)), FootageFile(Path("off"), None)]

    def faint(file: FootageFile) -> SnippetFeatures:
        features = read(file)
        dimmed = np.minimum(features.visual, 0.3) if file.path.name in {"far", "off"} else features.visual
        return dataclasses.replace(features, visual=dimmed)

    _, (_, student) = calibrate(make_checkpoint(), NIGHTS, faint, wanted=Wanted(2.0, 1.0), measured=quiet)
    assert dataclasses.astuple(student.thresholds)[0] == pytest.approx(0.7)
    (warning,) = [line for line in describe(student) if line.startswith("warning: ")]
    assert "the threshold 0.7000 lies above every one of the 1 known event and 1 known video: nothing would" in warning
    assert "the highest score among them is 0.3000, where it has 10.00 false alarms per hour: allow more" in warning


@pytest.mark.parametrize("measured", [[], LABELLED[:1]])
def test_no_known_event_is_told_apart_from_none_found(
    read: Callable[[FootageFile], SnippetFeatures], measured: list[FootageFile]
) -> None:
    _, (teacher, student) = calibrate(make_checkpoint(), NIGHTS, read, wanted=Wanted(12.0, 2.0), measured=measured)
    unknown = "what would be found is not known: no labelled footage that this network can score was given"
    assert unknown in describe(teacher)
    assert (unknown in describe(student)) == (not measured)
    assert not any(line.startswith("warning") for result in (teacher, student) for line in describe(result))


def test_the_card_says_how_and_is_not_piled_up(read: Callable[[FootageFile], SnippetFeatures], tmp_path: Path) -> None:
    once, _ = calibrate(make_checkpoint(), NIGHTS, read, wanted=Wanted(12.0, 2.0))
    twice, results = calibrate(once, NIGHTS, read, wanted=Wanted(4.0, 2.0))
    save_checkpoint(tmp_path / "twice.safetensors", twice)
    header = load_checkpoint(tmp_path / "twice.safetensors").header
    assert header.card.startswith("# guard\n\nA guard.\n\n")
    assert header.card.count(CARD_HEADING) == 1
    assert all(f"- {line}" in header.card for result in results for line in describe(result))
    assert header.thresholds == twice.header.thresholds


@pytest.mark.parametrize(
    ("intervals", "wanted", "message"),
    [
        ((), Wanted(0.0, 0.1), "cannot be aimed at"),
        ((), Wanted(60.0, 1.0), "cannot be aimed at"),
        ((), None, "no annotated event lies in the footage that the visual student can score"),
        ((Interval("fighting", 0.0, 1800.0),), Wanted(1.0, 1.0), "no time in which nothing is annotated"),
    ],
)
def test_what_cannot_be_aimed_at_is_refused(
    read: Callable[[FootageFile], SnippetFeatures],
    intervals: tuple[Interval, ...],
    wanted: Wanted | None,
    message: str,
) -> None:
    with pytest.raises(DataError, match=message):
        calibrate(make_checkpoint(), [FootageFile(Path("night"), intervals)], read, wanted=wanted)


def test_a_network_that_is_always_sure_is_refused(read: Callable[[FootageFile], SnippetFeatures]) -> None:
    def saturated(file: FootageFile) -> SnippetFeatures:
        features = read(file)
        return dataclasses.replace(features, visual=np.ones_like(features.visual))

    with pytest.raises(DataError, match="the visual student gives this footage the highest score there is"):
        calibrate(make_checkpoint(), NIGHTS[:1], saturated, wanted=Wanted(1.0, 1.0))


def test_other_features_are_refused(read: Callable[[FootageFile], SnippetFeatures]) -> None:
    def wide(file: FootageFile) -> SnippetFeatures:
        features = read(file)
        return dataclasses.replace(features, visual=np.repeat(features.visual, 2, axis=2))

    with pytest.raises(FeatureError, match=r"night does not fit guard \(visual features are 16 wide, needed 8\)"):
        calibrate(make_checkpoint(), NIGHTS[:1], wide, wanted=Wanted(1.0, 1.0))


def write_bag(folder: Path, bag: Bag) -> None:
    write_features(folder / f"{bag.name}.safetensors", dataclasses.replace(bag.load(), source_sha256="0" * 64))


def test_it_runs_on_the_synthetic_benchmark(tmp_path: Path, avadclip_command: Callable[..., Any]) -> None:
    """A trained network's files, feature files and command line, on synthetic data."""
    data = load_dataset("synthetic:tiny")
    config = TrainingConfig(
        network=NetworkConfig(embed_dim=16), optimizer=OptimizerConfig(epochs=3, learning_rate=1e-3, batch_size=16)
    )
    trained = train_network(data.train, config, Supervision(data.classes)).last
    first = data.train[0].load()
    assert first.provenance is not None
    header = CheckpointHeader(
        name="synthetic",
        classes=data.classes,
        encoders="synthetic",
        features=first.provenance,
        visual_dim=32,
        audio_dim=32,
        network=config.network,
        thresholds={"teacher": BEFORE},
        selection={"teacher": "last"},
        card="",
    )
    save_checkpoint(tmp_path / "teacher.safetensors", Checkpoint(header, {"teacher": trained}))
    for bag in data.test:
        write_bag(tmp_path / ("events" if bag.is_anomalous else "nights"), bag)
    new = tmp_path / "new.safetensors"
    teacher = str(tmp_path / "teacher.safetensors")
    code, out, err = avadclip_command(
        *("calibrate", teacher, "--normal", str(tmp_path / "nights"), "--false-alarms-per-hour", "30"),
        *("--out", str(new)),
    )
    assert (code, err) == (0, "")
    assert "wanted at most 30)" in out
    thresholds = load_checkpoint(new).header.thresholds["teacher"]
    assert thresholds != BEFORE
    assert "what would be found is not known" in out
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "label", "start", "end"])
        writer.writerows((bag.name, *each) for bag in data.test for each in bag.intervals or (("normal", "", ""),))
    for bag in data.test:
        write_bag(tmp_path / "rows", bag)
    labelled = ("--labelled", str(tmp_path / "labels.csv"), "--features", str(tmp_path / "rows"))
    code, out, err = avadclip_command("calibrate", teacher, *labelled, "--out", str(tmp_path / "fit.safetensors"))
    assert (code, err) == (0, "")
    assert "annotated events" in out
    code, out, err = avadclip_command(
        *("calibrate", teacher, "--normal", str(tmp_path / "nights"), "--false-alarms-per-hour", "30", *labelled),
        *("--out", str(tmp_path / "both.safetensors")),
    )
    assert (code, err) == (0, "")
    assert re.search(r"found: \d+ of \d+ known events \(\d+ %, 95 % interval", out)
    assert load_checkpoint(str(tmp_path / "both.safetensors")).header.thresholds["teacher"] == thresholds
    code, out, _ = avadclip_command("calibrate", teacher, *labelled, "--out", str(new))
    assert code == 2
    assert load_checkpoint(new).header.thresholds["teacher"] == thresholds


@pytest.mark.data
def test_it_runs_on_real_videos_and_composed_sequences_of_them(
    tmp_path: Path, development_data: Path, composed_fights: Path, avadclip_command: Callable[..., Any]
) -> None:
    nights = tmp_path / "nights"
    nights.mkdir()
    clips = sorted((development_data / "surveillance_fights" / "noFight").iterdir())[::40]
    for clip in clips:
        (nights / clip.name).symlink_to(clip)
    new = tmp_path / "quiet.safetensors"
    code, out, err = avadclip_command(
        *("calibrate", "starter-1", "--normal", str(nights), "--false-alarms-per-hour", "1"), *("--out", str(new))
    )
    assert (code, err) == (0, "")
    assert "1 false alarms per hour cannot be promised" in out  # of some seconds of footage
    detector = load_detector(new)
    assert [detector.detect(nights / clip.name).events for clip in clips] == [()] * len(clips)

    code, out, err = avadclip_command(
        *("calibrate", "starter-1", "--labelled", str(composed_fights / "labels.csv")),
        *("--features", str(composed_fights / "rows"), "--out", str(tmp_path / "fit.safetensors")),
    )
    assert (code, err) == (0, "")
    assert "of 2 recordings with 4 annotated events" in out
    before, after = (
        load_checkpoint(each).header.thresholds for each in ("starter-1", str(tmp_path / "fit.safetensors"))
    )
    assert all(after[network] != before[network] for network in ("teacher", "visual student"))
