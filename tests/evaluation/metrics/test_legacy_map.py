import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avadclip.evaluation.metrics.intervals import TruthInterval
from avadclip.evaluation.metrics.legacy_map import legacy_map

PERCENT_OF_AN_ORACLE = (80.27, 80.27, 80.27, 79.69, 79.02)  # at snippet resolution, XD-Violence's test set
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)


def plain_map(scores: Sequence[np.ndarray], truth: Sequence[Sequence[TruthInterval]], repeat: int) -> list[float]:
    """The protocol, sentence by sentence, on frames and sets of frames."""
    videos = [np.repeat(rows, repeat, axis=0) for rows in scores]
    best = [np.sort(frames, axis=0)[::-1].copy()[: len(frames) // 16] for frames in videos]
    strongest = [top.mean(axis=0) if len(top) else np.zeros(top.shape[1], top.dtype) for top in best]
    num_classes = videos[0].shape[1]
    ranking: list[list[tuple[int, set[int], float]]] = []
    for c in range(num_classes):
        of_class = []
        for v, frames in enumerate(videos):
            curve = frames[:, c] if strongest[v][c] > 0 else frames[:, c] * 0
            threshold = curve.max() - 0.6 * (curve.max() - curve.min())
            runs, run = [], []
            for i, value in enumerate([*curve, threshold]):
                if value > threshold:
                    run.append(i)
                elif run:
                    runs, run = [*runs, run], []
            runs = [run for run in runs if len(run) >= 2]
            found = [(v, set(run), float(curve[run].max() + 0.7 * strongest[v][c])) for run in runs]
            of_class += sorted(found, key=lambda proposal: -proposal[2])
        if not of_class:
            return [0.0] * 5
        ranking.append(sorted(of_class, key=lambda proposal: -proposal[2]))
    return [np.mean([plain_ap(ranking[c], c, truth, least) for c in range(num_classes)]) for least in THRESHOLDS]


def plain_ap(
    ranking: list[tuple[int, set[int], float]], c: int, truth: Sequence[Sequence[TruthInterval]], least: float
) -> float:
    unused = [
        (v, set(range(int(start), int(end))))
        for v, intervals in enumerate(truth)
        for which, start, end in intervals
        if which == c
    ]
    num_truths, hits, total = len(unused), 0, 0.0
    for rank, (video, frames, _) in enumerate(ranking, 1):
        overlaps = [len(frames & other) / len(frames | other) if v == video else 0.0 for v, other in unused]
        if overlaps and max(overlaps) >= least:
            del unused[overlaps.index(max(overlaps))]
            hits += 1
            total += hits / rank
    return total / num_truths if hits else 0.0


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
