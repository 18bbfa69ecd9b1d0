import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avadclip.data.given_scores import GivenScores
from avadclip.data.published.load import BENCHMARKS, load_benchmark
from avadclip.evaluation.evaluate import evaluate_given
from avadclip.evaluation.metrics.intervals import IOU_THRESHOLDS, TruthInterval
from avadclip.evaluation.metrics.legacy_map import legacy_map
from avadclip.evaluation.truths import video_truth

from .plain_legacy import plain_map
from .ucf_golden import UCF_GOLDEN

PERCENT_OF_AN_ORACLE = (80.27, 80.27, 80.27, 79.69, 79.02)  # at snippet resolution, XD-Violence's test set


def random_case(
    seed: int, *, decimals: int | None = None, repeat: int = 16
) -> tuple[list[np.ndarray], list[list[TruthInterval]]]:
    """Eight videos of three classes, and truth that may overlap, be empty, or run past the end."""
    random = np.random.default_rng(seed)
    scores = [random.dirichlet(np.ones(3), size=random.integers(1, 12)).astype(np.float32) for _ in range(8)]
    if decimals is not None:
        scores = [rows.round(decimals) for rows in scores]
    truth = [
        [
            TruthInterval(int(random.integers(3)), start, start + random.uniform(0, 6 * repeat))
            for start in random.uniform(0, len(rows) * repeat, size=random.integers(3))
        ]
        for rows in scores
    ]
    return scores, truth


@pytest.mark.parametrize("repeat", [16, 4, 1])
@pytest.mark.parametrize("decimals", [None, 1], ids=["no two alike", "many alike"])
@pytest.mark.parametrize("seed", range(5))
def test_equals_a_plain_reference_on_random_scores(seed: int, decimals: int | None, repeat: int) -> None:
    scores, truth = random_case(seed, decimals=decimals, repeat=repeat)
    result = legacy_map(scores, truth, frames_per_snippet=repeat)
    np.testing.assert_allclose(result.mean, plain_map(scores, truth, repeat), rtol=0, atol=1e-12)
    assert repeat == 1 or result.mean[0] > 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(*[st.sampled_from([0.0, 0.25, 0.5, 1.0])] * 2), min_size=1, max_size=6),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 99), st.integers(1, 60)), max_size=6),
)
def test_equals_a_plain_reference_on_ties_flat_curves_and_zeros(
    rows: list[list[tuple[float, float]]], annotated: list[tuple[int, int, int, int]]
) -> None:
    scores = [np.array(video, dtype=np.float32) for video in rows]
    truth: list[list[TruthInterval]] = [[] for _ in scores]
    for video, class_index, start, length in annotated:
        truth[video % len(scores)].append(TruthInterval(class_index, start, start + length))
    result = legacy_map(scores, truth, frames_per_snippet=16)
    np.testing.assert_allclose(result.mean, plain_map(scores, truth, 16), rtol=0, atol=1e-12)


def test_flat_scores_propose_nothing_and_get_0() -> None:
    flat = [np.full((9, 2), 0.5, dtype=np.float32)] * 3
    truth = [[TruthInterval(0, 0, 144)]] * 3
    assert plain_map(flat, truth, 16) == [0.0] * 5
    result = legacy_map(flat, truth, frames_per_snippet=16)
    assert result.mean.tolist() == [0.0] * 5
    assert result.num_proposals.tolist() == [0, 0]


def test_one_class_without_any_proposal_makes_everything_0() -> None:
    rows = np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.9, 0.1, 0.0]], dtype=np.float32)
    truth = [[TruthInterval(1, 16, 32)]]
    result = legacy_map([rows], truth, frames_per_snippet=16)
    assert result.mean.tolist() == [0.0] * 5
    assert result.num_proposals.tolist() == [2, 1, 0]
    assert legacy_map([rows[:, :2]], truth, frames_per_snippet=16).per_class[1].tolist() == [1.0] * 5


def test_a_class_without_truth_counts_as_0() -> None:
    rows = np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]], dtype=np.float32)
    result = legacy_map([rows], [[TruthInterval(1, 16, 32)]], frames_per_snippet=16)
    assert result.mean.tolist() == [0.5] * 5


def test_truth_ends_are_cut_to_integers() -> None:
    rows = np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]], dtype=np.float32)
    cut, whole = ([[TruthInterval(1, 16 + rest, 48 + rest)]] for rest in (0.9, 0.0))
    results = [legacy_map([rows], truth, frames_per_snippet=16).mean for truth in (cut, whole)]
    assert results[0].tolist() == results[1].tolist() == [0.5] * 5  # IoU 16 / 32, not 16 / 32.9


def test_a_video_shorter_than_16_frames_proposes_nothing() -> None:
    rows = np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]], dtype=np.float32)
    assert legacy_map([rows], [[]], frames_per_snippet=4).num_proposals.tolist() == [0, 0]


def test_equal_scores_keep_the_order_of_videos() -> None:
    rows = np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]], dtype=np.float32)
    truth = [[TruthInterval(1, 16, 32)]] + [[]] * 29
    first = legacy_map([rows] * 30, truth, frames_per_snippet=16)
    last = legacy_map([rows] * 30, truth[::-1], frames_per_snippet=16)
    assert first.per_class[1].tolist() == [1.0] * 5
    assert last.per_class[1].tolist() == [1 / 30] * 5


@pytest.mark.parametrize(
    ("shapes", "num_truths"), [([(3, 2), (3, 3)], 2), ([(3, 2), (0, 2)], 2), ([(3, 2)], 2), ([], 0)]
)
def test_scores_that_cannot_be_meant_are_refused(shapes: list[tuple[int, int]], num_truths: int) -> None:
    with pytest.raises(ValueError, match="needed"):
        legacy_map([np.zeros(shape) for shape in shapes], [[]] * num_truths, frames_per_snippet=16)


@pytest.mark.data
def test_equals_the_published_script_bit_for_bit(xd_test_set) -> None:
    golden = np.load(xd_test_set.folder / "legacy_map_golden.npz")
    scores = np.split(golden["scores"], np.cumsum(golden["snippets"])[:-1])
    truth = [xd_test_set.truth[name] for name in golden["videos"]]
    result = legacy_map(scores, truth, frames_per_snippet=16)
    assert (100 * result.mean).tolist() == golden["expected_percent"].tolist()


@pytest.mark.data
def test_an_oracle_gets_80_on_the_whole_test_set_within_seconds(xd_test_set) -> None:
    scores, truth = [], [xd_test_set.truth[name] for name in xd_test_set.names]
    for name, intervals in zip(xd_test_set.names, truth, strict=True):
        rows = np.zeros((xd_test_set.num_snippets[name], 7), dtype=np.float32)
        for class_index, start, end in intervals:
            first = start // 16
            rows[first : max(-(-end // 16), first + 1), class_index] = 1
        rows[rows.sum(axis=1) == 0, 0] = 1
        scores.append(rows / rows.sum(axis=1, keepdims=True))
    begin = time.perf_counter()
    result = legacy_map(scores, truth, frames_per_snippet=16)
    assert time.perf_counter() - begin < 10
    assert (100 * result.mean).round(2).tolist() == list(PERCENT_OF_AN_ORACLE)


def test_ucf_crime_equals_its_own_script_which_never_finds_normal_truth(tmp_path: Path) -> None:
    golden = np.load(UCF_GOLDEN)
    scores = np.split(golden["scores"], np.cumsum(golden["snippets"])[:-1])
    (tmp_path / "Temporal_Anomaly_Annotation.txt").write_text(str(golden["annotations"]))
    (tmp_path / "Anomaly_Test.txt").write_text("\n".join(golden["list"]))
    for listed, rows in zip(golden["list"], scores, strict=True):
        np.save(tmp_path / f"{Path(listed).stem}__0.npy", rows)  # any features of this length
    dataset = load_benchmark(BENCHMARKS["ucf-crime"], [tmp_path])
    report = evaluate_given(GivenScores("golden", tuple(scores), 16, ()), dataset)
    found = [report.percent("map", head="given", protocol="legacy", iou=iou) for iou in IOU_THRESHOLDS]
    np.testing.assert_allclose(found, golden["expected_percent"], rtol=0, atol=1e-10)
    assert min(found) > 0
    assert report.percent("class_ap", head="given", protocol="legacy", iou=0.1, label="normal") == 0
    assert "mAP legacy counts classes without truth as 0, strict leaves them out: normal" in report.notes
    # With truth for normal videos, as on XD-Violence, the number would be another.
    truth = [video_truth(bag, dataset.classes, dataset.grid).intervals for bag in dataset.test]
    assert 100 * legacy_map(scores, truth, frames_per_snippet=16).mean[0] > found[0] + 0.5
