"""The incremental finder against `events.find_spans`, its reference, and by hand."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avadclip.apps.live.spans import Change, ScoredSnippet, SpanFinder
from avadclip.events import EventRules, NamedSound, ScoreTrack, best_anomaly_class, find_spans, mean_gain
from avadclip.inference.named_sounds import MAX_NAMES

CLASSES = ("normal", "fighting", "riot")


def track_of(scores: list[float], *, riot: list[float] | None = None, seconds: float = 1.0, tail: float = 0.0):
    values = np.asarray(scores, np.float32)
    second = np.zeros_like(values) if riot is None else np.asarray(riot, np.float32) * values
    probabilities = np.stack([1 - values, values - second, second], axis=1)
    return ScoreTrack(values, probabilities, CLASSES, seconds, len(values) * seconds + tail)


def changes_of(track: ScoreTrack, rules: EventRules) -> list[list[Change]]:
    """Per snippet, and a last list for the end of the track."""
    finder, boundaries = SpanFinder(rules), track.boundaries()
    steps = [
        finder.push(
            ScoredSnippet(
                float(boundaries[i]), float(boundaries[i + 1]), track.scores[i], track.class_probabilities[i], 0.25
            )
        )
        for i in range(len(track.scores))
    ]
    return [*steps, finder.finish()]


def kinds(steps: list[list[Change]]) -> list[list[str]]:
    return [[change.kind for change in step] for step in steps]


score_lists = st.lists(st.tuples(st.floats(0, 1, width=32), st.floats(0, 1, width=32)), min_size=1, max_size=60)
tracks = st.builds(
    lambda pairs, seconds, tail: track_of(
        [score for score, _ in pairs], riot=[riot for _, riot in pairs], seconds=seconds, tail=tail
    ),
    score_lists,
    st.sampled_from([1.0, 2 / 3, 4 / 30]),
    st.sampled_from([0.0, 0.1, 0.5]),
)
all_rules = st.builds(
    EventRules,
    threshold=st.floats(0.01, 1),
    min_seconds=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    merge_gap_seconds=st.sampled_from([0.0, 0.5, 1.0, 2.0, 2.5]),
    release_share=st.sampled_from([0.5, 0.8, 1.0]),
)


@given(track=tracks, rules=all_rules)
def test_what_ends_is_exactly_what_the_offline_function_finds(track: ScoreTrack, rules: EventRules) -> None:
    boundaries, spans = track.boundaries(), find_spans(track, rules)
    ended = [change.span for step in changes_of(track, rules) for change in step if change.kind == "ended"]
    assert [(span.start, span.end) for span in ended] == [(boundaries[a], boundaries[b]) for a, b in spans]
    assert [span.peak for span in ended] == [track.scores[a:b].max() for a, b in spans]
    assert [span.num_snippets for span in ended] == [b - a for a, b in spans]
    for span, (a, b) in zip(ended, spans, strict=True):
        means = track.class_probabilities[a:b].mean(axis=0, dtype=np.float64)
        np.testing.assert_allclose(span.probability_sums / span.num_snippets, means, atol=1e-12)
        if abs(means[1] - means[2]) > 1e-5:  # where the reference's float32 mean cannot tip the balance
            assert span.best_anomaly_class(CLASSES) == best_anomaly_class(track, (a, b))


@given(track=tracks, rules=all_rules)
def test_every_event_begins_once_then_grows_then_ends_once(track: ScoreTrack, rules: EventRules) -> None:
    told = [change for step in changes_of(track, rules) for change in step]
    open_start = None
    for change in told:
        assert (change.kind == "begun") == (open_start is None)
        assert open_start in (None, change.span.start)
        open_start = None if change.kind == "ended" else change.span.start
    assert open_start is None


@given(track=tracks, rules=all_rules)
def test_events_are_reported_as_soon_as_they_are_certain(track: ScoreTrack, rules: EventRules) -> None:
    """An event has begun once the track so far, cut here, holds it for good; the reference is the offline function."""
    boundaries, open_now = track.boundaries(), False
    for count, step in enumerate(changes_of(track, rules)[:-1], start=1):
        for change in step:
            open_now = change.kind != "ended"
        cut = dataclasses.replace(
            track,
            scores=track.scores[:count],
            class_probabilities=track.class_probabilities[:count],
            end_seconds=float(boundaries[count]),
        )
        spans = find_spans(cut, rules)
        is_held = bool(cut.scores[-1] >= rules.threshold)
        if is_held and spans and spans[-1][1] == count:
            assert open_now


def test_begin_waits_for_the_shortest_length_and_end_for_the_gap() -> None:
    rules = EventRules(0.5, min_seconds=2.0, merge_gap_seconds=2.0)
    steps = changes_of(track_of([0.9, 0.9, 0.1, 0.9, 0.1, 0.1, 0.1]), rules)
    assert kinds(steps) == [[], ["begun"], [], ["grown"], [], ["ended"], [], []]
    assert (steps[5][0].span.start, steps[5][0].span.end) == (0.0, 4.0)


def test_a_run_that_holds_but_never_reaches_ends_the_event_when_it_starts_too_late() -> None:
    rules = EventRules(0.5, merge_gap_seconds=2.0)
    # Held from 2 s on, 1 s after the event: it may yet be joined, and is, at the last snippet.
    assert kinds(changes_of(track_of([0.9, 0.1, 0.45, 0.45, 0.45, 0.6]), rules))[-2:] == [["grown"], ["ended"]]
    # Quiet for 2 s: over, whatever is held later.
    assert kinds(changes_of(track_of([0.9, 0.1, 0.1, 0.45, 0.45, 0.6]), rules)) == [
        ["begun"], [], ["ended"], [], [], ["begun"], ["ended"],
    ]  # fmt: skip


@pytest.mark.parametrize(("away", "expected"), [(0.5, ["begun", "grown"]), (5.0, ["begun", "ended", "begun"])])
def test_time_without_snippets_is_a_gap(away: float, expected: list[str]) -> None:
    finder = SpanFinder(EventRules(0.5, merge_gap_seconds=1.0))
    probabilities = np.array([0.1, 0.9, 0.0], np.float32)
    told = finder.push(ScoredSnippet(0.0, 1.0, np.float32(0.9), probabilities))
    told += finder.push(ScoredSnippet(1.0 + away, 2.0 + away, np.float32(0.9), probabilities))
    assert [change.kind for change in told] == expected


def test_the_sound_gain_is_the_mean_over_the_event() -> None:
    track = track_of([0.9, 0.1, 0.9])
    lower = dataclasses.replace(track, scores=track.scores - np.float32(0.25))
    steps = changes_of(track, EventRules(0.5, merge_gap_seconds=2.0))
    assert steps[-1][0].span.sound_gain == pytest.approx(mean_gain(track, lower, (0, 3)))


def snippet_with(index: int, sounds: dict[str, float]) -> ScoredSnippet:
    named = tuple(NamedSound(name=name, probability=p, start=index, end=index + 1) for name, p in sounds.items())
    return ScoredSnippet(index, index + 1, np.float32(0.9), np.array([0.1, 0.9, 0.0], np.float32), sounds=named)


def test_a_span_has_each_sound_once_from_its_first_to_its_last_snippet() -> None:
    finder = SpanFinder(EventRules(0.5))
    for index, sounds in enumerate([{}, {"Glass": 0.25}, {"Speech": 0.5, "Glass": 0.75}, {}, {"Speech": 0.25}]):
        finder.push(snippet_with(index, sounds))
    (ended,) = finder.finish()
    assert [(s.name, s.probability, s.start, s.end) for s in ended.span.sounds] == [
        ("Glass", 0.75, 1.0, 3.0),
        ("Speech", 0.5, 2.0, 5.0),
    ]


def test_a_span_stays_small_however_many_sounds_there_are() -> None:
    finder = SpanFinder(EventRules(0.5))
    for index in range(100):
        (change,) = finder.push(snippet_with(index, {f"Sound {index}": 0.2 + index / 200}))
        assert len(change.span.sounds) <= MAX_NAMES
    assert [sound.name for sound in change.span.sounds] == [f"Sound {index}" for index in range(99, 94, -1)]
