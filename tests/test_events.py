import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from avadclip.errors import ConfigError
from avadclip.events import Event, EventRules, ScoreTrack, best_anomaly_class, find_spans, mean_gain

Spans = list[tuple[int, int]]


def make_track(scores: ArrayLike, *, snippet_seconds: float = 1.0, tail_seconds: float = 0.0) -> ScoreTrack:
    values = np.asarray(scores, np.float32)
    probabilities = np.stack([1 - values, values], axis=1)
    end = len(values) * snippet_seconds + tail_seconds
    return ScoreTrack(values, probabilities, ("normal", "fighting"), snippet_seconds, end)


share = st.floats(0, 1, width=32)
tracks = st.builds(
    make_track,
    st.lists(share, min_size=1, max_size=60),
    snippet_seconds=st.sampled_from([1.0, 2 / 3, 4 / 30]),
    tail_seconds=st.sampled_from([0.0, 0.1, 0.5]),
)
rules = st.builds(
    EventRules,
    threshold=st.floats(0.01, 1),
    min_seconds=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    merge_gap_seconds=st.sampled_from([0.0, 0.5, 1.0, 2.5]),
    release_share=st.sampled_from([0.5, 0.8, 1.0]),
)
plain = EventRules(threshold=0.5, merge_gap_seconds=0)


# find_spans, by hand


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.1, 0.2], []),
        ([0.5], [(0, 1)]),  # at the threshold counts
        ([0.9, 0.1, 0.9], [(0, 1), (2, 3)]),
        ([0.1, 0.42, 0.6, 0.45, 0.39], [(1, 4)]),  # held from 0.4 on, before and after the peak
        ([0.45, 0.45, 0.45], []),  # held, but never reached
        ([0.45, 0.1, 0.6], [(2, 3)]),
        ([0.9, 0.9, 0.9], [(0, 3)]),
    ],
)
def test_hysteresis(scores: list[float], expected: Spans) -> None:
    assert find_spans(make_track(scores), plain) == expected


def test_a_gap_is_filled_only_when_it_is_shorter_than_the_rule() -> None:
    track = make_track([0.9, 0.1, 0.9, 0.1, 0.1, 0.9])
    assert find_spans(track, dataclasses.replace(plain, merge_gap_seconds=1.0)) == [(0, 1), (2, 3), (5, 6)]
    assert find_spans(track, dataclasses.replace(plain, merge_gap_seconds=1.1)) == [(0, 3), (5, 6)]
    assert find_spans(track, dataclasses.replace(plain, merge_gap_seconds=2.1)) == [(0, 6)]


def test_by_default_one_quiet_snippet_does_not_cut_an_event() -> None:
    track = make_track([0.9, 0.1, 0.9, 0.1, 0.1, 0.9], snippet_seconds=2 / 3)
    assert find_spans(track, EventRules(threshold=0.5)) == [(0, 3), (5, 6)]


def test_the_shortest_length_is_asked_after_merging() -> None:
    track = make_track([0.9, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9])
    assert find_spans(track, EventRules(0.5, min_seconds=3, merge_gap_seconds=1.5)) == [(0, 3)]


def test_the_last_snippet_lasts_to_the_end_of_the_video() -> None:
    track = make_track([0.1, 0.9], tail_seconds=0.5)
    assert track.boundaries().tolist() == [0, 1, 2.5]
    assert find_spans(track, dataclasses.replace(plain, min_seconds=1.5)) == [(1, 2)]


def test_a_video_that_ends_early_never_turns_time_around() -> None:
    track = dataclasses.replace(make_track([0.9, 0.9]), end_seconds=0.2)
    assert np.all(np.diff(track.boundaries()) >= 0)


# find_spans, for any scores


@given(track=tracks, rules=rules)
def test_spans_are_ordered_apart_and_inside_the_video(track: ScoreTrack, rules: EventRules) -> None:
    spans = find_spans(track, rules)
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(set(edges))  # touching spans would share an edge
    assert all(0 <= start < stop <= len(track.scores) for start, stop in spans)


@given(track=tracks, rules=rules)
def test_every_span_reaches_the_threshold_and_is_long_enough(track: ScoreTrack, rules: EventRules) -> None:
    boundaries = track.boundaries()
    for start, stop in find_spans(track, rules):
        assert track.scores[start:stop].max() >= rules.threshold
        assert boundaries[stop] - boundaries[start] >= rules.min_seconds


@given(track=tracks, rules=rules)
def test_what_lies_between_two_spans_is_no_shorter_than_the_gap(track: ScoreTrack, rules: EventRules) -> None:
    boundaries = track.boundaries()
    spans = find_spans(track, dataclasses.replace(rules, min_seconds=0))
    for (_, stop), (start, _) in pairwise(spans):
        assert boundaries[start] - boundaries[stop] >= rules.merge_gap_seconds


@given(track=tracks, rules=rules)
def test_without_a_shortest_length_no_snippet_at_the_threshold_is_lost(track: ScoreTrack, rules: EventRules) -> None:
    covered = snippets_of(find_spans(track, dataclasses.replace(rules, min_seconds=0)))
    assert set(np.flatnonzero(track.scores >= rules.threshold)) <= covered


@given(track=tracks, rules=rules, higher=st.floats(0.01, 1))
def test_a_higher_threshold_covers_no_new_snippet(track: ScoreTrack, rules: EventRules, higher: float) -> None:
    low, high = sorted([rules.threshold, higher])
    wide = snippets_of(find_spans(track, dataclasses.replace(rules, threshold=low)))
    narrow = snippets_of(find_spans(track, dataclasses.replace(rules, threshold=high)))
    assert narrow <= wide


@given(track=tracks, rules=rules, longer=st.floats(0, 5))
def test_a_longer_shortest_length_only_drops_spans(track: ScoreTrack, rules: EventRules, longer: float) -> None:
    short, long = sorted([rules.min_seconds, longer])
    kept = find_spans(track, dataclasses.replace(rules, min_seconds=long))
    assert set(kept) <= set(find_spans(track, dataclasses.replace(rules, min_seconds=short)))


@given(track=tracks, rules=rules, wider=st.floats(0, 5))
def test_a_wider_gap_never_gives_more_spans(track: ScoreTrack, rules: EventRules, wider: float) -> None:
    near, far = sorted([rules.merge_gap_seconds, wider])
    rules = dataclasses.replace(rules, min_seconds=0)
    few = find_spans(track, dataclasses.replace(rules, merge_gap_seconds=far))
    many = find_spans(track, dataclasses.replace(rules, merge_gap_seconds=near))
    assert len(few) <= len(many)
    assert snippets_of(many) <= snippets_of(few)


def snippets_of(spans: Spans) -> set[int]:
    return {snippet for start, stop in spans for snippet in range(start, stop)}


# The rules


@pytest.mark.parametrize(
    ("wrong", "needed"),
    [
        ({"threshold": 1.5}, "threshold is 1.5; give a number from 0 to 1"),
        ({"threshold": math.nan}, "threshold is nan; give a number from 0 to 1"),
        ({"min_seconds": -0.5}, "min_seconds is -0.5; give a finite number of seconds, 0 or more"),
        ({"merge_gap_seconds": math.inf}, "merge_gap_seconds is inf; give a finite number of seconds, 0 or more"),
        ({"release_share": -1}, "release_share is -1; give a number from 0 to 1"),
    ],
)
def test_rules_out_of_range_are_refused(wrong: dict[str, float], needed: str) -> None:
    with pytest.raises(ConfigError, match=f"^the event rule {needed}$"):
        EventRules(**wrong)


def test_a_threshold_of_the_rules_goes_before_that_of_the_network() -> None:
    assert EventRules(min_seconds=2.0).resolved(0.4) == EventRules(0.4, min_seconds=2.0)
    assert EventRules(0.7).resolved(0.4).start_score == 0.7
    assert EventRules(0.5).stay_score == 0.4
    with pytest.raises(ValueError, match="no threshold"):
        find_spans(make_track([0.9]), EventRules())


# The class and the gain of a span


def test_the_class_of_an_event_is_never_normal() -> None:
    probabilities = np.array([[0.9, 0.04, 0.06], [0.9, 0.08, 0.02], [0.1, 0.0, 0.9]], np.float32)
    track = ScoreTrack(np.ones(3, np.float32), probabilities, ("normal", "riot", "abuse"), 1.0, 3.0)
    assert best_anomaly_class(track, (0, 2)) == "riot"  # means .06 and .04
    assert best_anomaly_class(track, (0, 3)) == "abuse"


def test_gain_is_the_mean_difference_over_the_event() -> None:
    teacher, student = make_track([0.9, 0.8, 0.1]), make_track([0.5, 0.6, 0.9])
    assert mean_gain(teacher, student, (0, 2)) == pytest.approx(0.3)
    assert mean_gain(teacher, None, (0, 2)) is None


# Events


def test_times_are_rounded_to_milliseconds_and_scores_to_six_decimals() -> None:
    event = Event(
        id="yard-0001", source="yard.mp4", label="riot", score=0.12345678, start=2 / 3, end=4 / 3, severity="alert",
        modality="visual", model="starter", threshold=0.1000000149, sound_gain=None, picture_gain=-1 / 3,
    )  # fmt: skip
    rounded = event.rounded()
    assert (rounded.start, rounded.end, rounded.score) == (0.667, 1.333, 0.123457)
    assert (rounded.threshold, rounded.sound_gain, rounded.picture_gain) == (0.1, None, -0.333333)
    assert (rounded.id, rounded.snapshot) == (event.id, None)
