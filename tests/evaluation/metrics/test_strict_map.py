from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avadclip.evaluation.metrics.intervals import TruthInterval
from avadclip.evaluation.metrics.strict_map import merge_truth, strict_map

INTERVALS = st.lists(
    st.builds(
        lambda label, start, length: TruthInterval(label, start, start + length),
        st.integers(0, 2),
        st.integers(0, 40),
        st.integers(1, 30),
    ),
    max_size=5,
)


def plain_strict_ap(curves: Sequence[np.ndarray], truth: Sequence[Sequence[set[int]]], least: float) -> float:
    """The protocol for one class, sentence by sentence, on sets of frames; a snippet is a frame."""
    ranking = []
    for video, curve in enumerate(curves):
        runs: set[tuple[int, int]] = set()
        for level in np.arange(1, 10) / 10:
            start = None
            for i, value in enumerate([*curve, -1.0]):
                if value >= level and start is None:
                    start = i
                elif value < level and start is not None:
                    runs.add((start, i))
                    start = None
        best_first = sorted(runs, key=lambda run: (-np.mean(curve[run[0] : run[1]]), run[0], -run[1]))
        kept: list[set[int]] = []
        for start, stop in best_first:
            frames = set(range(start, stop))
            if all(len(frames & other) / len(frames | other) <= 0.5 for other in kept):
                kept.append(frames)
                ranking.append((-np.mean(curve[start:stop]), video, frames))
    unused = [(video, frames) for video, each in enumerate(truth) for frames in each]
    num_truths, hits, total = len(unused), 0, 0.0
    for rank, (_, video, frames) in enumerate(sorted(ranking, key=lambda each: each[0]), 1):
        overlaps = [len(frames & other) / len(frames | other) if v == video else 0.0 for v, other in unused]
        if overlaps and max(overlaps) >= least:
            del unused[overlaps.index(max(overlaps))]
            hits += 1
            total += hits / rank
    return total / num_truths


def one_class(*values: float) -> np.ndarray:
    return np.array([[1 - value, value] for value in values])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 50), INTERVALS), min_size=1, max_size=5))
def test_a_per_frame_oracle_gets_100(videos: list[tuple[int, list[TruthInterval]]]) -> None:
    scores, truth = [], []
    for num_frames, intervals in videos:
        rows = np.zeros((num_frames, 3), dtype=np.float32)
        for label, start, end in intervals:
            rows[start:end, label] = 1
        scores.append(rows)
        truth.append(intervals)
    result = strict_map(scores, truth, frames_per_snippet=1)
    assert np.isnan(result.per_class[0]).all()
    for label in (1, 2):
        assert result.per_class[label].tolist() == [1.0] * 5 if result.num_truths[label] else True
    assert result.mean.tolist() == [1.0] * 5 if result.num_truths.any() else np.isnan(result.mean).all()


@pytest.mark.parametrize("seed", range(6))
def test_equals_a_plain_reference_on_random_scores(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, truth, as_sets = [], [], []
    for length in random.integers(5, 40, size=6):
        smooth = np.convolve(random.uniform(size=length + 4), np.ones(5) / 5, "valid")
        curve = np.clip(2.5 * (smooth - 0.5) + 0.5, 0, 1).round(int(random.integers(1, 4)))
        scores.append(np.stack([1 - curve, curve], axis=1))
        cuts = np.sort(random.choice(length, size=4, replace=False)).tolist()
        pairs = [(start, end) for start, end in (cuts[:2], cuts[2:]) if random.uniform() < 0.7]
        truth.append([TruthInterval(1, start, end) for start, end in pairs])
        as_sets.append([set(range(start, end)) for start, end in merged(pairs)])
    result = strict_map(scores, truth, frames_per_snippet=1)
    expected = [plain_strict_ap([rows[:, 1] for rows in scores], as_sets, least) for least in (0.1, 0.2, 0.3, 0.4, 0.5)]
    np.testing.assert_allclose(result.per_class[1], expected, rtol=0, atol=1e-12)
    assert 0 < expected[0] < 1


def merged(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    if len(pairs) == 2 and pairs[0][1] == pairs[1][0]:
        return [(pairs[0][0], pairs[1][1])]
    return pairs


def test_a_case_worked_by_hand() -> None:
    # Snippets of 16 frames. Levels .1 to .4 give [0, 64), mean .55; .5 to .8 give [16, 48), mean .8; IoU .5, both stay.
    scores = [one_class(0.3, 0.8, 0.8, 0.3), one_class(0.0, 0.6, 0.0, 0.0)]
    truth = [[TruthInterval(1, 0, 64)], []]
    result = strict_map(scores, truth, frames_per_snippet=16)
    # Ranked: [16, 48) .8, hits at any threshold up to IoU .5; then a false alarm in the other video, .6; then [0, 64).
    assert result.per_class[1].tolist() == [1.0] * 5
    assert result.num_proposals.tolist() == [0, 3]
    shorter = strict_map(scores, [[TruthInterval(1, 0, 60)], []], frames_per_snippet=16)
    assert shorter.per_class[1].tolist() == [1.0] * 5  # 32 / 60 is more than half
    longer = strict_map([scores[0], scores[1]], [[TruthInterval(1, 0, 30)], []], frames_per_snippet=16)
    # [16, 48) overlaps it 14 / 48 = .29; [0, 64) 30 / 64 = .47, but comes third: 1/3.
    assert longer.per_class[1] == pytest.approx([1.0, 1.0, 1 / 3, 1 / 3, 0.0])


def test_normal_videos_count_by_their_false_alarms() -> None:
    truth = [[TruthInterval(1, 0, 32)], [TruthInterval(0, 0, 32)]]
    quiet = strict_map([one_class(0.8, 0.8), one_class(0.0, 0.0)], truth, frames_per_snippet=16)
    loud = strict_map([one_class(0.8, 0.8), one_class(0.9, 0.0)], truth, frames_per_snippet=16)
    assert quiet.mean.tolist() == [1.0] * 5
    assert loud.mean.tolist() == [0.5] * 5


def test_normal_and_classes_without_truth_are_left_out_of_the_mean() -> None:
    rows = np.array([[0.0, 1.0, 0.9], [1.0, 0.0, 0.0]])
    result = strict_map([rows], [[TruthInterval(1, 0, 16), TruthInterval(0, 16, 32)]], frames_per_snippet=16)
    assert result.mean.tolist() == [1.0] * 5
    assert np.isnan(result.per_class[[0, 2]]).all()


def test_no_truth_at_all_gives_no_number() -> None:
    result = strict_map([one_class(0.9)], [[TruthInterval(0, 0, 16)]], frames_per_snippet=16)
    assert np.isnan(result.mean).all()
    assert np.isnan(result.average)


def test_truth_is_clipped_to_the_scored_frames() -> None:
    truth = [[TruthInterval(1, 16, 500), TruthInterval(1, 40, 60)]]
    result = strict_map([one_class(0.0, 1.0)], truth, frames_per_snippet=16)
    assert result.mean.tolist() == [1.0] * 5  # [16, 500) ends at 32, [40, 60) was never scored
    assert result.num_truths.tolist() == [0, 1]


def test_touching_and_overlapping_intervals_of_one_class_are_one() -> None:
    intervals = [
        *(TruthInterval(1, 10, 20), TruthInterval(2, 15, 18), TruthInterval(1, 20, 25)),
        *(TruthInterval(1, 0, 5), TruthInterval(1, 12, 13), TruthInterval(2, 18.5, 30)),
    ]
    assert merge_truth(intervals, num_frames=100) == [(1, 0, 5), (1, 10, 25), (2, 15, 18), (2, 18.5, 30)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_level_is_reached_by_equality_in_the_dtype_of_the_scores(dtype: type) -> None:
    curve = one_class(0.7, 0.65).astype(dtype)  # .7 in float32 is less than .7
    result = strict_map([curve], [[TruthInterval(1, 0, 16)]], frames_per_snippet=16)
    assert result.num_proposals.tolist() == [0, 2]  # [0, 32) up to .6, and [0, 16) at .7


@pytest.mark.data
def test_a_per_frame_oracle_gets_100_on_the_whole_test_set(xd_test_set) -> None:
    scores = []
    for name in xd_test_set.names:
        rows = np.zeros((16 * xd_test_set.num_snippets[name], 7), dtype=np.float32)
        for label, start, end in xd_test_set.truth[name]:
            rows[start:end, label] = 1
        scores.append(rows)
    result = strict_map(scores, [xd_test_set.truth[name] for name in xd_test_set.names], frames_per_snippet=1)
    assert (100 * result.mean).tolist() == [100.0] * 5
