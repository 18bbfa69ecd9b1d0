import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from avadclip.evaluation.metrics.quality import best_f1_threshold, calibration_error, f1_at

SNIPPETS = st.lists(
    st.tuples(st.integers(0, 64).map(lambda count: count / 64), st.integers(0, 4)), min_size=1, max_size=12
)


def unpacked(snippets: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores and positives per snippet of four frames, and both frame by frame."""
    scores = np.array([score for score, _ in snippets], dtype=np.float32)
    positive = np.array([count for _, count in snippets])
    truth = np.concatenate([[1] * count + [0] * (4 - count) for count in positive])
    return scores, positive, np.repeat(scores, 4), truth


def test_scores_that_are_shares_have_no_calibration_error() -> None:
    assert calibration_error(np.array([0.25, 0.25, 1.0, 0.0]), [4, 4, 16, 0], 16) == 0.0


def test_calibration_error_worked_by_hand() -> None:
    # Bins are a fifteenth wide. .9 and .91 share one: mean .905, half of their frames anomalous. .1 has its own: none.
    assert calibration_error(np.array([0.9, 0.91, 0.1]), [16, 0, 0], 16) == pytest.approx(2 / 3 * 0.405 + 1 / 3 * 0.1)


def test_one_and_nought_are_scores_like_others() -> None:
    assert calibration_error(np.array([1.0, 0.0]), [0, 16], 16) == 1.0
    with pytest.raises(ValueError, match="within"):
        calibration_error(np.array([1.1, 0.0]), [0, 16], 16)


@given(SNIPPETS)
def test_calibration_error_equals_a_plain_reference_frame_by_frame(snippets: list[tuple[float, int]]) -> None:
    scores, positive, frame_scores, truth = unpacked(snippets)
    expected = 0.0
    for number in range(15):
        low, high = np.float32(number / 15), np.float32((number + 1) / 15)
        inside = (frame_scores >= low) & ((frame_scores < high) | (number == 14))
        if inside.any():
            expected += inside.mean() * abs(frame_scores[inside].mean(dtype=np.float64) - truth[inside].mean())
    assert calibration_error(scores, positive, 4) == pytest.approx(expected, abs=1e-9)


@given(SNIPPETS)
def test_no_threshold_has_a_better_f1(snippets: list[tuple[float, int]]) -> None:
    scores, positive, frame_scores, truth = unpacked(snippets)
    threshold = best_f1_threshold(scores, positive, 4)
    if not truth.any():
        assert threshold is None
        assert f1_at(0.5, scores, positive, 4) is None
        return
    every = {float(each): f1_score(truth, frame_scores >= each) for each in scores}
    assert threshold is not None
    assert f1_at(threshold, scores, positive, 4) == pytest.approx(max(every.values()))
    assert threshold == max(each for each, f1 in every.items() if f1 >= max(every.values()) - 1e-12)


@given(SNIPPETS, st.sampled_from([0.0, 0.3, 0.5, 2.0]))
def test_f1_equals_scikit_learn_frame_by_frame(snippets: list[tuple[float, int]], threshold: float) -> None:
    scores, positive, frame_scores, truth = unpacked(snippets)
    if truth.any():
        expected = f1_score(truth, frame_scores >= threshold, zero_division=0.0)
        assert f1_at(threshold, scores, positive, 4) == pytest.approx(expected)


def test_videos_are_frames_of_their_own() -> None:
    peaks, is_anomalous = np.array([0.9, 0.6, 0.7]), np.array([1, 1, 0])
    assert best_f1_threshold(peaks, is_anomalous, 1) == 0.6
    assert f1_at(0.8, peaks, is_anomalous, 1) == pytest.approx(2 / 3)
