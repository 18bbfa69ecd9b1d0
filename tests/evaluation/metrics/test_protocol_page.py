"""The examples of docs/protocols.md, computed; every number is read off the page."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avadclip.evaluation.metrics.intervals import MapResult, TruthInterval
from avadclip.evaluation.metrics.legacy_map import legacy_map
from avadclip.evaluation.metrics.strict_map import strict_map

PAGE = (Path(__file__).parents[3] / "docs" / "protocols.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
EXAMPLES = [row for row in ROWS if len(row) == 5 and row[1].startswith("`")]


def numbers(cell: str) -> np.ndarray:
    return np.array([float(each) for each in cell.strip("`").split()], dtype=np.float32)


@pytest.mark.parametrize("row", EXAMPLES, ids=[row[0] for row in EXAMPLES])
def test_small_examples(row: list[str]) -> None:
    name, first, second, legacy, strict = row
    curves = [numbers(first), numbers(second)]
    whole = TruthInterval(1, 0, 96) if "whole video" in name else TruthInterval(1, 32, 64)
    normal = TruthInterval(0, 0, 96)
    truth = [[whole], [TruthInterval(1, 32, 64) if "no video is normal" in name else normal]]
    scores = [np.stack([1 - curve, curve], axis=1) for curve in curves]
    measured = legacy_map(scores, truth, frames_per_snippet=16)
    assert f"{100 * measured.mean[0]:.1f}" == legacy
    assert f"{100 * strict_map(scores, truth, frames_per_snippet=16).mean[0]:.1f}" == strict


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 6


def test_what_the_page_says_of_its_measured_tables() -> None:
    """They are written by scripts/protocol_study.py; the words around them hold for these numbers."""
    assert all("synthetic" in row[0] for row in ROWS if row[-1] == "each seed")
    gains, shares = (
        [float(each) for each in next(row for row in ROWS if row[0] == name)[2].split()]
        for name in ("**what selection on test adds**", "visual student, first step")
    )
    assert len(gains) == len(shares) >= 3
    assert all(gain >= 0 for gain in gains)
    assert all(0 < share < 1.5e-3 for share in shares)  # a thousandth or less


def knows_which_are_normal(xd: Any, seed: int, *, unsure: str) -> list[np.ndarray]:
    """p(normal) .9 in normal videos, .1 in others; see the page."""
    random = np.random.default_rng(seed)
    scores = []
    for name in xd.names:
        p_normal = 0.9 if xd.truth[name][0].class_index == 0 else 0.1
        rows = np.full((xd.num_snippets[name], 7), (1 - p_normal) / 6)
        rows[:, 0] = p_normal
        if unsure == "first":
            rows[0] = 0.9 * rows[0] + 0.1 / 7
            rows *= 1 + 1e-4 * random.standard_normal(rows.shape)
        else:
            rows += 1e-3 * random.random(rows.shape)
        scores.append((rows / rows.sum(axis=1, keepdims=True)).astype(np.float32))
    return scores


def oracle(xd: Any) -> list[np.ndarray]:
    """As protocols are checked with everywhere: 1 for the class in every snippet it touches, else normal."""
    scores = []
    for name in xd.names:
        rows = np.zeros((xd.num_snippets[name], 7), dtype=np.float32)
        for class_index, start, end in xd.truth[name]:
            first = start // 16
            rows[first : max(-(-end // 16), first + 1), class_index] = 1
        rows[rows.sum(axis=1) == 0, 0] = 1
        scores.append(rows / rows.sum(axis=1, keepdims=True))
    return scores


@pytest.mark.data
def test_what_an_oracle_loses(xd_test_set: Any) -> None:
    truth = [xd_test_set.truth[name] for name in xd_test_set.names]
    scores = oracle(xd_test_set)
    riots = [
        rows[:, 3].min() == rows[:, 3].max()
        for rows, intervals in zip(scores, truth, strict=True)
        for interval in intervals
        if interval.class_index == 3
    ]
    assert f"{sum(riots)}\nof the {len(riots)} riots" in PAGE
    riot = 100 * legacy_map(scores, truth, frames_per_snippet=16).per_class[3, 0]
    assert f"riot gets {riot:.0f}." in PAGE


@pytest.mark.data
def test_figures_of_the_whole_test_set(xd_test_set: Any) -> None:
    xd = xd_test_set
    truth = [xd.truth[name] for name in xd.names]

    def at_first_iou(results: list[MapResult]) -> float:
        return float(np.mean([100 * result.mean[0] for result in results]))

    cells = {row[0]: row[1:] for row in ROWS if len(row) == 4}
    sure, first, everywhere = (
        cells[name]
        for name in (
            "an oracle that knows every snippet",
            "knows only *which videos* are normal; unsure in the first snippet of each",
            "the same knowledge; unsure everywhere, independently",
        )
    )
    made = {
        tuple(sure): [oracle(xd)],
        tuple(first): [knows_which_are_normal(xd, seed, unsure="first") for seed in range(3)],
        tuple(everywhere): [knows_which_are_normal(xd, seed, unsure="everywhere") for seed in range(3)],
    }
    for (legacy, normal, strict), draws in made.items():
        results = [legacy_map(scores, truth, frames_per_snippet=16) for scores in draws]
        share = float(np.mean([100 * result.per_class[0, 0] / 7 for result in results]))
        assert (f"{at_first_iou(results):.1f}", f"{share:.1f}") == (legacy, normal)
        if strict:
            found = [strict_map(scores, truth, frames_per_snippet=16) for scores in draws]
            assert f"{at_first_iou(found):.1f}" == strict
