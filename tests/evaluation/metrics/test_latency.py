import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from avadclip.evaluation.metrics.latency import latency_average_precision

FRAMES_PER_ROW = 2
VIDEOS = st.lists(
    st.lists(
        st.tuples(st.sampled_from([-1.0, 0.2, 0.5, 0.7, 3.0]), st.lists(st.booleans(), min_size=2, max_size=2)),
        min_size=1,
        max_size=6,
    ),
    min_size=1,
    max_size=4,
)


def plain(scores: list[np.ndarray], truth: list[np.ndarray], num_early: float) -> float:
    """At every threshold, frame by frame: what counts as found; then the sum of precision times new recall."""
    num_positive = sum(int(frames.sum()) for frames in truth)
    area = recall = 0.0
    for threshold in sorted({score for curve in scores for score in curve}, reverse=True):
        found = false = 0
        for curve, frames in zip(scores, truth, strict=True):
            start, in_time = 0, False
            for frame, is_positive in enumerate(frames):
                if is_positive and (frame == 0 or not frames[frame - 1]):
                    start, in_time = frame, False
                reached = curve[frame] >= threshold
                if not is_positive:
                    false += reached
                elif frame - start < num_early:
                    in_time |= reached
                    found += reached
                else:
                    found += reached and in_time
        if found:
            area += (found / num_positive - recall) * found / (found + false)
            recall = found / num_positive
    return area


def test_a_case_worked_by_hand() -> None:
    # An interval of five frames, one a second. In the first two the score is .2 and .6: later, .9 counts as .6.
    scores = np.array([0.5, 0.2, 0.6, 0.9, 0.4, 0.1, 0.8, 0.3])
    truth = [np.array([0, 1, 1, 1, 1, 1, 0, 0], dtype=bool)]
    (value,) = latency_average_precision(scores, truth, num_early=[2]) or ()
    # As counted: anomalous .2 .6 .6 .4 .1, normal .5 .8 .3. Down the ranking: .8 false; .6 two of three right, recall
    # 2/5; .5 false; .4 three of five; .3 false; .2 four of seven; .1 five of eight.
    assert value == pytest.approx((2 * 2 / 3 + 3 / 5 + 4 / 7 + 5 / 8) / 5)
    # Found from the first second on, nothing is late: .9 is right at once.
    (early,) = latency_average_precision(scores, truth, num_early=[5]) or ()
    assert early == pytest.approx(average_precision_score(truth[0], scores))


@given(VIDEOS, st.sampled_from([0.5, 1.0, 2.0, 3.5, 100.0]))
def test_equals_going_through_every_frame_at_every_threshold(
    rows: list[list[tuple[float, list[bool]]]], num_early: float
) -> None:
    scores = [np.array([score for score, _ in row]) for row in rows]
    truth = [np.array([mark for _, marks in row for mark in marks]) for row in rows]
    values = latency_average_precision(np.concatenate(scores), truth, num_early=[num_early])
    everything = np.concatenate(truth)
    if everything.all() or not everything.any():
        assert values is None
        return
    assert values is not None
    repeated = [np.repeat(curve, FRAMES_PER_ROW) for curve in scores]
    assert values[0] == pytest.approx(plain(repeated, truth, num_early), abs=1e-12)
    if num_early == 100:
        assert values[0] == pytest.approx(average_precision_score(everything, np.concatenate(repeated)))


def test_video_means_are_never_late() -> None:
    """The control of AP(d) is therefore that of AP."""
    random = np.random.default_rng(0)
    truth = [random.random(40) < 0.4 for _ in range(10)]
    means = np.repeat(random.random(10), 20)
    values = latency_average_precision(means, truth, num_early=[1, 4])
    assert values == pytest.approx([average_precision_score(np.concatenate(truth), np.repeat(means, 2))] * 2)


def test_scores_that_rise_at_once_lose_nothing_and_those_that_rise_late_do() -> None:
    truth = [np.arange(40) >= 20]
    at_once, late = np.where(truth[0], 0.9, 0.1), np.where(np.arange(40) >= 30, 0.9, 0.1)
    assert latency_average_precision(at_once, truth, num_early=[1, 5]) == [1.0, 1.0]
    # The lasting .9 of the second half counts as .1, as everything else does, until d reaches it.
    assert latency_average_precision(late, truth, num_early=[5, 10, 11]) == pytest.approx([0.5, 0.5, 0.5 + 0.25])
