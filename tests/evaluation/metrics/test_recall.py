import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avadclip.evaluation.metrics.alarms import Watched, find_alarms, join_videos
from avadclip.evaluation.metrics.bootstrap import draw_videos
from avadclip.evaluation.metrics.recall import MAX_THRESHOLDS, alarm_curve, frame_curve, recall_within

ONCE = np.ones((2, 1))  # every video drawn once, and a draw that is the same
VIDEOS = st.lists(
    st.lists(st.tuples(st.integers(0, 10).map(lambda count: count / 10), st.booleans()), min_size=1, max_size=8),
    min_size=1,
    max_size=4,
)


def video(scores: list[float], is_positive: list[int]) -> Watched:
    """One frame a snippet, a minute long: an alarm of one counts once."""
    return Watched(np.array(scores, dtype=np.float32), np.array(is_positive, dtype=bool), 1 / 60)


def test_recall_by_false_alarms_worked_by_hand() -> None:
    # Two hours of normal time, and four false alarms, from .9, .8, .7 and .6 on.
    quiet = video([0.1, 0.9, 0.1, 0.8, 0.1, 0.7, 0.1, 0.6, *[0.1] * 108], [0] * 116)
    fights = video([0.95, 0.1, 0.85, 0.1, 0.65, 0.1, 0.2, 0.1], [1, 0, 1, 0, 1, 0, 1, 0])
    curve = alarm_curve(join_videos([quiet, fights]))
    assert curve is not None
    assert curve.exposure.sum() == pytest.approx(2.0)
    points = recall_within(curve, [0.1, 0.5, 1.0, 1.5, 2.0, 30.0], np.ones((2, 2)))
    assert [point.threshold for point in points] == pytest.approx([0.95, 0.85, 0.8, 0.65, 0.2, 0.2])
    # One in two hours is allowed at .5, then two, three and four: below .6 no peak is left but those of .1.
    assert [point.recall.value for point in points] == [1 / 4, 2 / 4, 2 / 4, 3 / 4, 1.0, 1.0]
    assert [point.num_false.sum() for point in points] == [0, 1, 2, 3, 4, 4]


def test_recall_by_false_positive_rate_worked_by_hand() -> None:
    # Ten frames a row. Normal frames: 10 at .9, 5 at .8 and 85 at .1; anomalous ones: 5 at .8, 10 at .5, 5 at .05.
    scores = np.array([0.9, 0.8, *[0.1] * 8, 0.1, 0.5, 0.05])
    positive = np.array([0, 5, *[0] * 8, 5, 10, 5])
    curve = frame_curve(scores, positive, 10, np.zeros(13, dtype=np.intp), limit_percent=15)
    assert curve is not None
    num_normal = 130 - 25
    points = recall_within(curve, [1.0, 100 * 10 / num_normal, 100 * 15 / num_normal], ONCE)
    assert [point.threshold for point in points] == [None, 0.9, 0.5]
    assert [point.recall.value for point in points] == [0.0, 0.0, 15 / 25]
    assert [point.num_false.sum() for point in points] == [0, 10, 15]


@given(VIDEOS, st.sampled_from([0.0, 1.0, 5.0, 20.0, 60.0]))
def test_equals_trying_every_threshold(rows: list[list[tuple[float, bool]]], limit: float) -> None:
    """Alarms an hour: from the highest score down, until one exceeds the limit."""
    footage = join_videos([video([score for score, _ in row], [mark for _, mark in row]) for row in rows])
    curve = alarm_curve(footage)
    if footage.num_stretches == 0 or footage.hours == 0:
        assert curve is None
        return
    assert curve is not None
    lowest, recall = None, 0.0
    for threshold in sorted({float(np.float32(score)) for row in rows for score, _ in row}, reverse=True):
        alarms = find_alarms(footage, threshold)
        if alarms.num_false > limit * footage.hours + 1e-9:
            break
        lowest, recall = threshold, alarms.num_found / footage.num_stretches
    (point,) = recall_within(curve, [limit], np.ones((2, len(rows))))
    assert (point.threshold, point.recall.value) == (lowest, pytest.approx(recall))


@given(VIDEOS, st.sampled_from([0.0, 1.0, 10.0, 30.0]))
def test_frames_equal_trying_every_threshold(rows: list[list[tuple[float, bool]]], limit: float) -> None:
    scores = np.array([score for row in rows for score, _ in row])
    truth = np.array([mark for row in rows for _, mark in row])
    index = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    curve = frame_curve(scores, truth.astype(np.intp), 1, index, limit_percent=limit)
    if truth.all() or not truth.any():
        assert curve is None
        return
    assert curve is not None
    within = [each for each in set(scores) if 100 * (scores[~truth] >= each).mean() <= limit + 1e-9]
    (point,) = recall_within(curve, [limit], np.ones((2, len(rows))))
    assert point.threshold == min(within, default=None)
    assert point.recall.value == pytest.approx((scores[truth] >= min(within, default=np.inf)).mean())


def test_of_many_scores_the_threshold_of_the_limit_is_exact() -> None:
    random = np.random.default_rng(0)
    truth = random.random(40_000) < 0.2
    scores = random.normal(size=40_000) + truth
    curve = frame_curve(scores, truth.astype(np.intp), 1, np.arange(40_000) // 400, limit_percent=1)
    assert curve is not None
    assert len(curve.thresholds) <= MAX_THRESHOLDS + 1
    (point,) = recall_within(curve, [1.0], np.ones((2, 100)))
    normal = np.sort(scores[~truth])[::-1]
    allowed = int(0.01 * len(normal))
    assert normal[allowed] < point.threshold <= normal[allowed - 1]
    assert point.recall.value == (scores[truth] > normal[allowed]).mean()


@given(VIDEOS, st.integers(0, 2**32 - 1))
def test_a_draw_is_measured_as_footage_in_which_each_video_stands_as_often_as_drawn(
    rows: list[list[tuple[float, bool]]], seed: int
) -> None:
    videos = [video([score for score, _ in row], [mark for _, mark in row]) for row in rows]
    curve = alarm_curve(join_videos(videos))
    times = np.random.default_rng(seed).integers(0, 3, size=len(videos))
    drawn = [each for each, count in zip(videos, times, strict=True) for _ in range(count)]
    own = alarm_curve(join_videos(drawn)) if drawn else None
    if curve is None or own is None:
        return
    (point,) = recall_within(curve, [10.0], np.stack([times, times]).astype(np.float64))
    (alone,) = recall_within(own, [10.0], np.ones((2, len(drawn))))
    assert point.recall == pytest.approx(alone.recall)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Frames of anomalous videos are shifted by 1: at 10 % FPR the true recall is Phi(1 - 1.2816) = .389."""
    held = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        is_anomalous = np.arange(100) < 50
        truth = np.repeat(is_anomalous, 20)
        curve = frame_curve(
            random.normal(size=2000) + truth,
            truth.astype(np.intp),
            1,
            np.repeat(np.arange(100), 20),
            limit_percent=10,
        )
        assert curve is not None
        (point,) = recall_within(curve, [10.0], draw_videos(is_anomalous, seed=seed))
        held += point.recall.low <= 0.389 <= point.recall.high
    assert 0.88 <= held / 100 <= 1.0


def test_draws_keep_the_number_of_each_kind_and_are_the_same_every_time() -> None:
    is_anomalous = np.array([True, False, False, True, False])
    drawn = draw_videos(is_anomalous)
    assert drawn.shape == (2001, 5)
    assert drawn[0].tolist() == [1] * 5
    assert (drawn[:, is_anomalous].sum(axis=1) == 2).all()
    assert (drawn[:, ~is_anomalous].sum(axis=1) == 3).all()
    assert np.array_equal(drawn, draw_videos(is_anomalous))
    assert draw_videos(np.array([True])).tolist() == [[1.0]] * 2001
