"""Incremental `events.find_spans`: the same spans by the same rules, reported as soon as they are certain."""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.events import EventRules, NamedSound
from avadclip.inference.named_sounds import join_sounds, most_probable


@dataclass(frozen=True)
class ScoredSnippet:
    """One snippet's scores; times in seconds, on any clock."""

    start: float
    end: float
    score: np.float32
    """Anomaly score, within [0, 1]; float32, as comparisons with a threshold round to it."""
    class_probabilities: NDArray[np.float32]
    """[C], the first of `normal`."""
    sound_gain: float | None = None
    """Teacher minus visual student; None where either is missing."""
    sounds: tuple[NamedSound, ...] = ()
    """The most probable named sounds."""
    key_frame: bytes | None = None
    """JPEG of the snippet."""


@dataclass(frozen=True)
class LiveSpan:
    """Aggregate of consecutive snippets, of constant size."""

    start: float
    end: float
    peak: np.float32
    """Highest score."""
    num_snippets: int
    probability_sums: NDArray[np.float64]
    """[C]"""
    gain_sum: float | None
    """None if a snippet lacked it."""
    sounds: tuple[NamedSound, ...]
    """The most probable sounds so far, each name once, from its first to its last snippet."""
    key_frame: bytes | None
    """That of the first of the highest-scored snippets."""

    @classmethod
    def of(cls, snippet: ScoredSnippet) -> "LiveSpan":
        """The span of one snippet."""
        probabilities = snippet.class_probabilities.astype(np.float64)
        return cls(
            snippet.start,
            snippet.end,
            snippet.score,
            1,
            probabilities,
            snippet.sound_gain,
            snippet.sounds,
            snippet.key_frame,
        )

    def joined(self, later: "LiveSpan") -> "LiveSpan":
        """This span merged with a later one."""
        gains = (self.gain_sum, later.gain_sum)
        return replace(
            self,
            end=later.end,
            peak=max(self.peak, later.peak),
            num_snippets=self.num_snippets + later.num_snippets,
            probability_sums=self.probability_sums + later.probability_sums,
            gain_sum=None if gains[0] is None or gains[1] is None else gains[0] + gains[1],
            sounds=_joined_sounds(self.sounds, later.sounds),
            key_frame=later.key_frame if later.peak > self.peak else self.key_frame,
        )

    @property
    def sound_gain(self) -> float | None:
        """Mean of teacher minus visual student."""
        return None if self.gain_sum is None else self.gain_sum / self.num_snippets

    def best_anomaly_class(self, classes: tuple[str, ...]) -> str:
        """The anomaly class with the highest mean probability; `normal` is excluded."""
        return classes[1 + int(self.probability_sums[1:].argmax())]


class Change(NamedTuple):
    """A certain change of an event."""

    kind: Literal["begun", "grown", "ended"]
    span: LiveSpan


class SpanFinder:
    """Finder of events in one track of scores. An event begins at its shortest length and ends when no span can join.

    Time without snippets, as while a camera is disconnected, counts as a gap, like snippets below the threshold.
    """

    def __init__(self, rules: EventRules) -> None:
        self._rules = rules
        self._event: LiveSpan | None = None  # reached the threshold; as far as it is certain
        self._since: LiveSpan | None = None  # everything after it, merged into it if a span joins
        self._run: LiveSpan | None = None  # above the release level, but the threshold is not yet reached
        self._is_growing = False  # the snippet before this one belongs to the event
        self._is_reported = False  # `begun` was reported
        self._end = -np.inf

    def push(self, snippet: ScoredSnippet) -> list[Change]:
        """Take the next snippet, which starts at or after the end of the one before."""
        is_held = bool(snippet.score >= self._rules.stay_score)
        if not is_held or snippet.start > self._end:
            self._run, self._is_growing = None, False
        self._end = snippet.end
        here = LiveSpan.of(snippet)
        if self._is_growing:
            self._event = _joined(self._event, here)
            return self._report()
        if is_held:
            self._run = _joined(self._run, here)
        changes = self._end_if_apart(snippet.end if self._run is None else self._run.start)
        if self._event is not None:
            self._since = _joined(self._since, here)
        if self._run is not None and snippet.score >= self._rules.start_score:
            self._event = self._run if self._event is None else _joined(self._event, self._since)
            self._run, self._since, self._is_growing = None, None, True
            changes += self._report()
        return changes

    def finish(self) -> list[Change]:
        """End the open event at the end of the track; use a new finder for the next track."""
        return [Change("ended", self._event)] if self._event is not None and self._is_reported else []

    def _end_if_apart(self, earliest_start: float) -> list[Change]:
        """End the event if later spans start too late to join it."""
        if self._event is None or earliest_start - self._event.end < self._rules.merge_gap_seconds:
            return []
        ended = [Change("ended", self._event)] if self._is_reported else []
        self._event, self._since, self._is_reported = None, None, False
        return ended

    def _report(self) -> list[Change]:
        """Report the event if it is long enough."""
        assert self._event is not None
        if self._is_reported:
            return [Change("grown", self._event)]
        self._is_reported = self._event.end - self._event.start >= self._rules.min_seconds
        return [Change("begun", self._event)] if self._is_reported else []


def _joined(earlier: LiveSpan | None, later: LiveSpan | None) -> LiveSpan | None:
    if earlier is None or later is None:
        return earlier or later
    return earlier.joined(later)


def _joined_sounds(earlier: tuple[NamedSound, ...], later: tuple[NamedSound, ...]) -> tuple[NamedSound, ...]:
    joined = {sound.name: sound for sound in earlier}
    for sound in later:
        joined[sound.name] = join_sounds(joined.get(sound.name), sound)
    return most_probable(joined.values())
