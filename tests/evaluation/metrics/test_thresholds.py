from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, poisson

from avadclip.evaluation.metrics.alarms import Footage, Watched, find_alarms, join_videos
from avadclip.evaluation.metrics.thresholds import (
    rate_bound,
    rate_interval,
    share_interval,
    thresholds_for_events,
    thresholds_for_rate,
)
from avadclip.events import Thresholds

VIDEOS = st.lists(
    st.lists(st.tuples(st.integers(0, 20).map(lambda count: count / 20), st.booleans()), min_size=2, max_size=12),
    min_size=1,
    max_size=4,
)


def video(scores: list[float], is_positive: list[int] | None = None) -> Watched:
    """Snippets of a minute: an alarm of one counts once."""
    marks = np.zeros(len(scores), dtype=bool) if is_positive is None else np.array(is_positive, dtype=bool)
    return Watched(np.array(scores, dtype=np.float32), marks, 1 / 60)


def joined(*videos: Watched) -> Footage:
    return join_videos(videos)


HOUR = [0.1, 0.9, 0.1, 0.8, 0.1, 0.7, 0.1, 0.6, 0.1, 0.5, *[0.1] * 50]


@pytest.mark.parametrize(("per_hour", "lowest"), [(1, 0.9), (2, 0.8), (3.9, 0.7), (5, 0.5)])
def test_the_lowest_threshold_with_no_more_false_alarms_than_wanted(per_hour: float, lowest: float) -> None:
    chosen = thresholds_for_rate(joined(video(HOUR)), per_hour=per_hour, alerts_per_hour=1)
    assert astuple(chosen) == pytest.approx((lowest, 0.9))


def test_two_hours_allow_twice_as_many() -> None:
    chosen = thresholds_for_rate(joined(video(HOUR), video([0.1] * 60)), per_hour=2, alerts_per_hour=0.5)
    assert astuple(chosen) == pytest.approx((0.6, 0.9))


def test_where_no_alarm_is_allowed_the_threshold_is_above_every_score() -> None:
    chosen = thresholds_for_rate(joined(video([0.2, 0.4])), per_hour=1, alerts_per_hour=0.1)
    assert chosen is not None
    assert 0.4 < chosen.detection < 0.4001
    assert chosen.alert == chosen.detection
    assert find_alarms(joined(video([0.2, 0.4])), chosen.detection).num_false == 0


def test_footage_with_the_highest_score_of_all_cannot_be_kept_quiet() -> None:
    assert thresholds_for_rate(joined(video([0.2, 1.0])), per_hour=1, alerts_per_hour=1) is None
    chosen = thresholds_for_rate(joined(video([1.0, *[0.1] * 59])), per_hour=1, alerts_per_hour=0.1)
    assert chosen == Thresholds(1.0, None)  # one alarm is allowed, but no alert


def test_a_low_threshold_does_not_pass_for_quiet_because_its_alarms_merge() -> None:
    # At .3 all is one alarm, which counts every minute; five peaks at .5 are five alarms.
    hour = [0.5, 0.3, 0.5, 0.3, 0.5, 0.3, 0.5, 0.3, 0.5, *[0.3] * 51]
    chosen = thresholds_for_rate(joined(video(hour)), per_hour=4, alerts_per_hour=4)
    assert chosen is not None
    assert chosen.detection > 0.5


@given(VIDEOS, st.sampled_from([0.5, 3.0, 12.0, 59.0]))
def test_at_and_above_the_threshold_it_is_quiet_and_no_lower_one_would_do(
    rows: list[list[tuple[float, bool]]], per_hour: float
) -> None:
    videos = joined(*(video([score for score, _ in row], [mark for _, mark in row]) for row in rows))
    hours = videos.hours
    chosen = thresholds_for_rate(videos, per_hour=per_hour, alerts_per_hour=per_hour / 10)
    tried = videos.distinct_scores
    is_quiet = {float(each): find_alarms(videos, float(each)).num_false <= per_hour * hours + 1e-9 for each in tried}
    if chosen is None:
        assert not is_quiet[1.0]
        return
    assert all(quiet for each, quiet in is_quiet.items() if each >= chosen.detection)
    lower = [each for each in is_quiet if each < chosen.detection]
    assert not lower or not is_quiet[max(lower)]
    alarms = find_alarms(videos, chosen.detection)
    if chosen.alert is not None:
        assert chosen.alert >= chosen.detection
        loud = ~alarms.is_right & (alarms.peak >= chosen.alert)
        assert alarms.counts[loud].sum() <= per_hour / 10 * hours + 1e-9


def test_annotated_events_give_the_best_f1_of_time_under_alarm() -> None:
    videos = joined(
        video([0.1, 0.9, 0.1, 0.1, 0.7, 0.1], [0, 1, 0, 0, 1, 0]),
        video([0.1, 0.8, 0.1, 0.1, 0.3, 0.1], [0, 0, 0, 0, 1, 0]),
    )
    # Minutes under alarm that are annotated, of all under alarm, of 3 annotated. From .9: 1 of 1, F1 2 / 4. From .7:
    # 2 of 3, F1 4 / 6. From .3: 3 of 4, F1 6 / 7. From .1: 3 of 12, F1 6 / 15, though every event is found.
    assert astuple(thresholds_for_events(videos)) == pytest.approx((0.3, 0.9))


def test_where_too_few_alarms_are_right_there_is_no_alert() -> None:
    chosen = thresholds_for_events(joined(video([0.1, 0.9, 0.1, 0.7, 0.1, 0.1], [0, 0, 0, 1, 0, 0])))
    assert (chosen.detection, chosen.alert) == (pytest.approx(0.7), None)


def test_many_scores_are_tried_at_ranks_apart() -> None:
    scores = np.linspace(0, 0.5, 5000)
    scores[2500] = 0.9
    chosen = thresholds_for_events(joined(video(scores.tolist(), [0] * 2500 + [1] + [0] * 2499)))
    assert chosen.detection == pytest.approx(0.9)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_the_bound_leaves_five_percent(count: int) -> None:
    rate = rate_bound(count, hours=2.0)
    assert poisson.cdf(count, 2.0 * rate) == pytest.approx(0.05)


def test_the_rule_of_three() -> None:
    assert rate_bound(0, hours=10.0) == pytest.approx(0.3, abs=0.001)


@pytest.mark.parametrize("count", [1, 2, 40])
def test_the_interval_leaves_two_and_a_half_percent_on_each_side(count: int) -> None:
    low, high = rate_interval(count, hours=2.0)
    assert poisson.sf(count - 1, 2.0 * low) == pytest.approx(0.025)
    assert poisson.cdf(count, 2.0 * high) == pytest.approx(0.025)
    assert rate_interval(0, hours=2.0) == (0.0, pytest.approx(3.689 / 2, abs=0.001))


@pytest.mark.parametrize(("count", "total"), [(0, 10), (3, 38), (19, 38), (38, 38)])
def test_the_interval_of_a_share_leaves_a_fortieth_at_either_side(count: int, total: int) -> None:
    low, high = share_interval(count, total)
    assert low <= count / total <= high
    assert (low == 0) if count == 0 else binom.sf(count - 1, total, low) == pytest.approx(0.025)
    assert (high == 1) if count == total else binom.cdf(count, total, high) == pytest.approx(0.025)
