"""Alarms against what was annotated: what a person who answers them would count.

An alarm is an event that `events.find_spans` finds with its default rules, as `avadclip detect` reports it. A stretch
is the time in which anything is annotated, whatever its class; stretches that touch are one. An alarm is right where it
overlaps a stretch, else false; a stretch is found where an alarm overlaps it. A false alarm counts once for every
minute begun: otherwise an alarm that never ends would be the cheapest of all.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.events import EventRules, ScoreTrack, find_spans

ALARM_SECONDS = 60.0  # after which a continuing alarm counts again; our choice
ROUNDING = 1e-9  # of sums of snippet lengths and of shares


class Watched(NamedTuple):
    """One video, scored and annotated."""

    track: ScoreTrack
    stretches: NDArray[np.float64]
    """[S, 2], start and end in seconds, in order, apart from each other; none in a normal video."""

    @property
    def normal_seconds(self) -> float:
        """Scored time in which nothing is annotated."""
        return self.track.end_seconds - float((self.stretches[:, 1] - self.stretches[:, 0]).sum())


class Alarms(NamedTuple):
    """All alarms of some videos at one threshold, A of them."""

    peak: NDArray[np.float64]
    """[A], highest score inside."""
    is_right: NDArray[np.bool_]
    """[A]"""
    seconds: NDArray[np.float64]
    """[A], how long each lasts."""
    shared_seconds: NDArray[np.float64]
    """[A], how much of that is annotated."""
    num_found: int
    """Stretches that an alarm overlaps."""

    @property
    def counts(self) -> NDArray[np.intp]:
        """How often each counts if false: once for every minute begun, [A]."""
        return np.ceil(self.seconds / ALARM_SECONDS - ROUNDING).astype(np.intp)

    @property
    def num_false(self) -> int:
        """False alarms, as they count."""
        return int(self.counts[~self.is_right].sum())


class OperatingPoint(NamedTuple):
    """The highest threshold that finds a wanted share of the stretches, and what it costs."""

    threshold: float
    recall: float
    """Share of stretches found; the wanted share or a little more."""
    false_alarms_per_hour: float
    """Per hour in which nothing is annotated."""


def watch(scores: NDArray[np.floating], is_positive: NDArray[np.bool_], *, frame_rate_hz: float) -> Watched:
    """One video from its scores and its frame truth.

    Args:
        scores: [T], within [0, 1], each for as many frames as the next.
        is_positive: [F], T times a whole number of frames.
        frame_rate_hz: of the frames.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_positive, [False]])))
    end_seconds = len(is_positive) / frame_rate_hz
    track = ScoreTrack(
        scores=scores.astype(np.float32),
        class_probabilities=np.zeros((len(scores), 0), dtype=np.float32),
        classes=(),
        snippet_seconds=end_seconds / len(scores),
        end_seconds=end_seconds,
    )
    return Watched(track, edges.reshape(-1, 2) / frame_rate_hz)


def normal_hours(videos: Sequence[Watched]) -> float:
    """Hours in which nothing is annotated."""
    return sum(video.normal_seconds for video in videos) / 3600


def find_alarms(videos: Sequence[Watched], threshold: float) -> Alarms:
    """All alarms at this threshold, by video, then by time."""
    rows = []
    num_found = 0
    for track, stretches in videos:
        spans = find_spans(track, EventRules(threshold)) if track.scores.max() >= threshold else []
        if not spans:
            continue
        boundaries = track.boundaries()
        start, end = boundaries[np.array(spans)].T
        first, last = np.maximum(start[:, None], stretches[:, 0]), np.minimum(end[:, None], stretches[:, 1])  # [A, S]
        shared = (last - first).clip(0.0)
        overlaps = shared > ROUNDING
        peak = [track.scores[first:stop].max() for first, stop in spans]
        rows.append(np.stack([peak, overlaps.any(axis=1), end - start, shared.sum(axis=1)]))
        num_found += int(overlaps.any(axis=0).sum())
    peaks, is_right, seconds, shared_seconds = np.concatenate(rows, axis=1) if rows else np.zeros((4, 0))
    return Alarms(peaks, is_right.astype(bool), seconds, shared_seconds, num_found)


def false_alarms_at_recall(videos: Sequence[Watched], recall: float) -> OperatingPoint | None:
    """What it costs to find this share of the stretches; None where there is nothing to find, or no normal time.

    The threshold is read off the videos that are measured, as any point of a curve is: it describes the scores,
    not a choice of threshold.
    """
    num_stretches = sum(len(video.stretches) for video in videos)
    hours = normal_hours(videos)
    if num_stretches == 0 or hours <= 0:
        return None
    needed = int(np.ceil(recall * num_stretches - ROUNDING))
    with_stretches = [video for video in videos if len(video.stretches)]
    candidates = np.unique(np.concatenate([video.track.scores for video in with_stretches]))
    # A snippet above a threshold is above every lower one, so the number found only grows: bisect. At the lowest
    # score every snippet is above it, and every event found.
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if find_alarms(with_stretches, float(candidates[middle])).num_found >= needed:
            low = middle
        else:
            high = middle - 1
    threshold = float(candidates[low])
    alarms = find_alarms(videos, threshold)
    return OperatingPoint(threshold, alarms.num_found / num_stretches, alarms.num_false / hours)
