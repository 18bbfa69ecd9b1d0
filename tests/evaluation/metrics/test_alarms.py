import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avadclip.evaluation.metrics.alarms import Watched, false_alarms_at_recall, find_alarms, normal_hours, watch

SNIPPET_SECONDS = 10.0  # longer than the gap that alarms are merged over
VIDEOS = st.lists(
    st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.6, 1.0]), st.booleans()), min_size=1, max_size=8),
    min_size=1,
    max_size=4,
)


def video(scores: list[float], is_positive: list[int]) -> Watched:
    """One frame a snippet, ten seconds long."""
    return watch(np.array(scores, dtype=np.float32), np.array(is_positive, dtype=bool), frame_rate_hz=0.1)


def test_stretches_are_the_runs_of_anomalous_frames() -> None:
    watched = watch(np.zeros(2), np.array([0, 1, 1, 0, 0, 1], dtype=bool), frame_rate_hz=2.0)
    assert watched.stretches.tolist() == [[0.5, 1.5], [2.5, 3.0]]
    assert (watched.track.snippet_seconds, watched.normal_seconds) == (1.5, 1.5)
    assert normal_hours([watched] * 4) == 6 / 3600


def test_an_alarm_is_right_where_it_overlaps_a_stretch() -> None:
    alarms = find_alarms([video([0.9, 0.9, 0.1, 0.7, 0.1], [0, 1, 1, 0, 0])], 0.5)
    assert alarms.peak.tolist() == pytest.approx([0.9, 0.7])
    assert alarms.is_right.tolist() == [True, False]  # the second begins where the stretch ends
    assert (alarms.num_found, alarms.num_false) == (1, 1)


def test_a_false_alarm_counts_once_for_every_minute_begun() -> None:
    for num_snippets, count in ((1, 1), (6, 1), (7, 2), (12, 2), (360, 60)):
        assert find_alarms([video([0.9] * num_snippets, [0] * num_snippets)], 0.5).num_false == count


def test_an_alarm_that_never_ends_is_not_cheap() -> None:
    normal, fight = video([1.0] * 360, [0] * 360), video([1.0, 1.0], [0, 1])
    point = false_alarms_at_recall([normal, fight], 0.8)
    assert point == (1.0, 1.0, 60 / normal_hours([normal, fight]))


def test_a_case_worked_by_hand() -> None:
    videos = [
        video([0.1, 0.9, 0.1, 0.1, 0.4, 0.1], [0, 1, 0, 0, 1, 0]),  # found from .9, from .4
        video([0.1, 0.6, 0.1, 0.5, 0.1, 0.1], [0, 0, 0, 0, 0, 0]),  # false from .6, from .5
    ]
    assert normal_hours(videos) == pytest.approx(100 / 3600)
    half, all_of_them = false_alarms_at_recall(videos, 0.5), false_alarms_at_recall(videos, 0.8)
    assert half == pytest.approx((0.9, 0.5, 0.0))
    assert all_of_them == pytest.approx((0.4, 1.0, 2 / (100 / 3600)))


def test_alarms_are_those_that_detect_reports() -> None:
    # Hysteresis: .45 is held at threshold .5, where .8 of it is enough; gaps under a second are closed.
    seconds = watch(np.array([0.5, 0.45, 0.1, 0.45], dtype=np.float32), np.zeros(4, dtype=bool), frame_rate_hz=1.5)
    assert find_alarms([seconds], 0.5).peak.tolist() == [0.5]
    assert find_alarms([seconds], 0.45).peak.tolist() == [0.5]  # two runs, two thirds of a second apart


@given(VIDEOS, st.sampled_from([0.1, 0.5, 0.8, 1.0]))
def test_the_threshold_is_the_highest_that_finds_enough(rows: list[list[tuple[float, bool]]], recall: float) -> None:
    videos = [video([score for score, _ in row], [mark for _, mark in row]) for row in rows]
    num_stretches = sum(len(each.stretches) for each in videos)
    point = false_alarms_at_recall(videos, recall)
    if num_stretches == 0 or normal_hours(videos) == 0:
        assert point is None
        return
    enough = [
        threshold
        for threshold in {score for row in rows for score, _ in row}
        if find_alarms(videos, float(np.float32(threshold))).num_found >= recall * num_stretches - 1e-9
    ]
    assert point is not None
    assert point.threshold == np.float32(max(enough))
    assert point.recall >= recall - 1e-9


def test_nothing_to_find_or_nothing_else_gives_no_point() -> None:
    assert false_alarms_at_recall([video([0.9], [0])], 0.5) is None
    assert false_alarms_at_recall([video([0.9], [1])], 0.5) is None
