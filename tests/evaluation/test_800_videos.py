"""A list over 800 videos, of the shape of XD-Violence's test list and of the scores that systems publish for it."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avadclip.data.bags import Bag, Dataset, Interval
from avadclip.data.given_scores import read_scores
from avadclip.evaluation.evaluate import evaluate_given
from avadclip.evaluation.metrics.records import Report
from avadclip.features.snippets import SnippetFeatures
from avadclip.timeline import SnippetGrid

CLASSES = ("normal", "fighting", "shooting", "riot", "abuse", "car accident", "explosion")
GRID = SnippetGrid(snippet_frames=16, frame_rate_hz=24.0)
MOST_SECONDS = 20.0  # of one core


def make_bag(name: str, num_snippets: int, intervals: list[Interval]) -> Bag:
    features = SnippetFeatures(
        np.zeros((1, num_snippets, 1), np.float32), None, num_snippets * GRID.snippet_seconds, provenance=None
    )
    targets = np.zeros(len(CLASSES), np.float32)
    targets[[CLASSES.index(each.label) for each in intervals] or 0] = 1
    return Bag(name, name, features, targets, tuple(intervals))


@pytest.fixture(scope="module")
def videos() -> tuple[Bag, ...]:
    """300 normal videos and 500 with one to four events; 27 hours, lengths as uneven as those of films' scenes."""
    random = np.random.default_rng(0)
    bags = []
    for index in range(800):
        num_snippets = 8 + int(random.exponential(174))
        intervals, start = [], 0.0
        for _ in range(0 if index < 300 else int(random.integers(1, 5))):
            start += float(random.uniform(0, 0.3)) * num_snippets * GRID.snippet_seconds
            end = start + float(random.uniform(0.02, 0.2)) * num_snippets * GRID.snippet_seconds
            if end < (num_snippets - 1) * GRID.snippet_seconds:
                intervals.append(Interval(CLASSES[1 + index % 6], start, end))
            start = end
        if index >= 300 and not intervals:
            intervals.append(Interval(CLASSES[1 + index % 6], 0.0, 2.0))
        bags.append(make_bag(f"scene-{index}", num_snippets, intervals))
    return tuple(bags)


def probabilities(bag: Bag, random: np.random.Generator) -> np.ndarray:
    """Class probabilities that know the video well and the moment a little; neighbours are alike, as of a network."""
    steps = random.normal(size=(len(bag.stored) + 8, len(CLASSES))).cumsum(axis=0)
    logits = (steps[8:] - steps[:-8]) / 8**0.5 + random.normal(size=len(CLASSES))
    logits[:, 0] += 4 if not bag.is_anomalous else 1
    for label, start, end in bag.intervals or ():
        logits[round(start / GRID.snippet_seconds) : round(end / GRID.snippet_seconds) + 1, CLASSES.index(label)] += 2
    rows = np.exp(logits)
    return (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)


def measured(path: Path, bags: tuple[Bag, ...], hard_normals: list[str]) -> tuple[Report, float]:
    begin = time.process_time()
    given = read_scores(path, bags, num_classes=len(CLASSES), snippet_frames=16)
    report = evaluate_given(given, Dataset("scenes", CLASSES, GRID, (), (), bags), hard_normals=hard_normals)
    return report, time.process_time() - begin


def check_every_measure(report: Report) -> None:
    assert report.num_videos == 800
    (parts,) = report.auc_parts
    w = parts.within_share_percent / 100
    total = w * parts.within_percent + (1 - w) * parts.cross_percent
    assert total == pytest.approx(report.percent("roc_auc", head="given"), abs=1e-9)
    for name in ("frame_ap", "pr_auc", "roc_auc"):
        for part in ("percent", "video_mean_percent", "kept_percent"):
            assert report.percent(name, head="given", part=part) is not None
    assert [each.seconds for each in report.latency_ap] == [2.0, 5.0, 10.0]
    recalls = [each.recall_percent for each in report.recalls]
    assert recalls[:3] == sorted(recalls[:3])
    assert all(0 <= each.low_percent <= each.high_percent <= 100 for each in report.recalls)
    assert all(each.reached <= each.limit for each in report.recalls)
    assert len(report.hard_normals) == 5
    assert all(each.kept_percent is not None for each in report.video_measures)


def test_class_probabilities_of_every_snippet_in_one_list(videos: tuple[Bag, ...], tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    np.save(tmp_path / "rival.npy", np.concatenate([probabilities(bag, random) for bag in videos]))
    report, seconds = measured(tmp_path / "rival.npy", videos, ["scene-3", "scene-77", "scene-299"])
    assert seconds < MOST_SECONDS
    check_every_measure(report)
    assert report.percent("map", head="given", protocol="strict", iou="AVG") is not None


def test_a_score_for_every_frame_in_one_list(videos: tuple[Bag, ...], tmp_path: Path) -> None:
    """As HL-Net's code writes them: each snippet's score, sixteen times."""
    random = np.random.default_rng(1)
    np.save(
        tmp_path / "hl-net.npy", np.repeat(np.concatenate([1 - probabilities(b, random)[:, 0] for b in videos]), 16)
    )
    report, seconds = measured(tmp_path / "hl-net.npy", videos, ["scene-3", "scene-77", "scene-299"])
    assert seconds < MOST_SECONDS
    check_every_measure(report)


@pytest.mark.data
def test_the_published_test_list(xd_test_set: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    bags = []
    for name in xd_test_set.names:
        intervals = [
            Interval(CLASSES[index], float(start) / 24, float(max(end, start + 1)) / 24)
            for index, start, end in xd_test_set.truth[name]
            if index
        ]
        bags.append(make_bag(name, xd_test_set.num_snippets[name], intervals))
    np.save(tmp_path / "rival.npy", np.concatenate([1 - probabilities(bag, random)[:, 0] for bag in bags]))
    hard = [bag.name for bag in bags if not bag.is_anomalous][::10]
    report, seconds = measured(tmp_path / "rival.npy", tuple(bags), hard)
    assert seconds < MOST_SECONDS
    check_every_measure(report)
    assert report.num_frames == 16 * sum(xd_test_set.num_snippets.values())
