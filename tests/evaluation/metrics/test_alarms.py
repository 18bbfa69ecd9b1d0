import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avadclip.evaluation.metrics.alarms import Footage, Watched, false_alarms_at_recall, find_alarms, join_videos
from avadclip.events import EventRules, ScoreTrack, find_spans

SNIPPET_SECONDS = 10.0  # longer than the gap that alarms are merged over
VIDEOS = st.lists(
    st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.6, 1.0]), st.booleans()), min_size=1, max_size=8),
    min_size=1,
    max_size=4,
)


def video(scores: list[float], is_positive: list[int]) -> Watched:
    """One frame a snippet, ten seconds long."""
    return Watched(np.array(scores, dtype=np.float32), np.array(is_positive, dtype=bool), 0.1)


def joined(*videos: Watched) -> Footage:
    return join_videos(videos)


def test_stretches_are_the_runs_of_anomalous_frames() -> None:
    watched = Watched(np.zeros(2), np.array([0, 1, 1, 0, 0, 1], dtype=bool), 2.0)
    assert watched.stretches.tolist() == [[1, 3], [5, 6]]
    assert (watched.frames_per_row, watched.normal_hours) == (3, 1.5 / 3600)
    assert joined(*[watched] * 4).hours == pytest.approx(6 / 3600)
    assert joined(*[watched] * 4).num_stretches == 8


def test_an_alarm_is_right_where_it_overlaps_a_stretch() -> None:
    alarms = find_alarms(joined(video([0.9, 0.9, 0.1, 0.7, 0.1], [0, 1, 1, 0, 0])), 0.5)
    assert alarms.peak.tolist() == pytest.approx([0.9, 0.7])
    assert alarms.is_right.tolist() == [True, False]  # the second begins where the stretch ends
    assert (alarms.num_found, alarms.num_false) == (1, 1)


def test_a_false_alarm_counts_once_for_every_minute_begun() -> None:
    for num_snippets, count in ((1, 1), (6, 1), (7, 2), (12, 2), (360, 60)):
        assert find_alarms(joined(video([0.9] * num_snippets, [0] * num_snippets)), 0.5).num_false == count


def test_an_alarm_that_never_ends_is_not_cheap() -> None:
    normal, fight = video([1.0] * 360, [0] * 360), video([1.0, 1.0], [0, 1])
    footage = joined(normal, fight)
    assert false_alarms_at_recall(footage, 0.8) == (1.0, 1.0, 60 / footage.hours)


def test_a_case_worked_by_hand() -> None:
    videos = joined(
        video([0.1, 0.9, 0.1, 0.1, 0.4, 0.1], [0, 1, 0, 0, 1, 0]),  # found from .9, from .4
        video([0.1, 0.6, 0.1, 0.5, 0.1, 0.1], [0, 0, 0, 0, 0, 0]),  # false from .6, from .5
    )
    assert videos.hours == pytest.approx(100 / 3600)
    half, all_of_them = false_alarms_at_recall(videos, 0.5), false_alarms_at_recall(videos, 0.8)
    assert half == pytest.approx((0.9, 0.5, 0.0))
    assert all_of_them == pytest.approx((0.4, 1.0, 2 / (100 / 3600)))


def test_alarms_are_those_that_detect_reports() -> None:
    # Hysteresis: .45 is held at threshold .5, where .8 of it is enough; gaps under a second are closed.
    seconds = joined(Watched(np.array([0.5, 0.45, 0.1, 0.45], dtype=np.float32), np.zeros(4, dtype=bool), 1.5))
    assert find_alarms(seconds, 0.5).peak.tolist() == [0.5]
    assert find_alarms(seconds, 0.45).peak.tolist() == [0.5]  # two runs, two thirds of a second apart


@given(VIDEOS, st.sampled_from([0.1, 0.5, 0.8, 1.0]))
def test_the_threshold_is_the_highest_that_finds_enough(rows: list[list[tuple[float, bool]]], recall: float) -> None:
    videos = joined(*(video([score for score, _ in row], [mark for _, mark in row]) for row in rows))
    num_stretches = videos.num_stretches
    point = false_alarms_at_recall(videos, recall)
    if num_stretches == 0 or videos.hours == 0:
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
    assert false_alarms_at_recall(joined(video([0.9], [0])), 0.5) is None
    assert false_alarms_at_recall(joined(video([0.9], [1])), 0.5) is None


@given(VIDEOS, st.sampled_from([0.1, 0.4, 0.5, 1.0]))
def test_alarms_of_all_videos_are_those_of_each_found_by_the_rules_of_detection(
    rows: list[list[tuple[float, bool]]], threshold: float
) -> None:
    videos = [video([score for score, _ in row], [mark for _, mark in row]) for row in rows]
    expected, num_found = [], 0
    for index, (scores, is_positive, _) in enumerate(videos):
        track = ScoreTrack(scores, np.zeros((len(scores), 0), np.float32), (), SNIPPET_SECONDS, 10.0 * len(scores))
        spans = find_spans(track, EventRules(threshold))
        for start, stop in spans:
            shared = 10.0 * is_positive[start:stop].sum()
            expected.append((index, scores[start:stop].max(), 10.0 * (stop - start), shared))
        covered = {snippet for start, stop in spans for snippet in range(start, stop)}
        num_found += sum(bool(covered & set(range(*stretch))) for stretch in videos[index].stretches)
    alarms = find_alarms(joined(*videos), threshold)
    found = list(zip(alarms.video, alarms.peak, alarms.seconds, alarms.shared_seconds, strict=True))
    assert np.array(found) == pytest.approx(np.array(expected))
    assert alarms.num_found == num_found
