"""Alarms against what was annotated: what a person who answers them would count.

An alarm is an event by the rules of `events.find_spans` with their defaults, as `avadclip detect` reports it. A stretch
is the time in which anything is annotated, whatever its class; stretches that touch are one. An alarm is right where it
overlaps a stretch, else false; a stretch is found where an alarm overlaps it. A false alarm counts once for every
minute begun: otherwise an alarm that never ends would be the cheapest of all.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.events import EventRules, span_rows

ALARM_SECONDS = 60.0  # after which a continuing alarm counts again; our choice
APART_SECONDS = 60.0  # between two videos on one clock: no gap of the rules is so long
ROUNDING = 1e-9  # of sums of snippet lengths and of shares


class Watched(NamedTuple):
    """One video, scored and annotated."""

    scores: NDArray[np.floating]
    """[T], within [0, 1], each for as many frames as the next."""
    is_positive: NDArray[np.bool_]
    """[F], T times a whole number of frames."""
    frame_rate_hz: float

    @property
    def frames_per_row(self) -> int:
        """How many frames a score stands for."""
        return len(self.is_positive) // len(self.scores)

    @property
    def stretches(self) -> NDArray[np.intp]:
        """[S, 2], first frame and the one after the last, in order, apart from each other; none in a normal video."""
        return np.flatnonzero(np.diff(np.concatenate([[False], self.is_positive, [False]]))).reshape(-1, 2)

    @property
    def normal_hours(self) -> float:
        """Scored time in which nothing is annotated."""
        return int((~self.is_positive).sum()) / self.frame_rate_hz / 3600


class Footage(NamedTuple):
    """Videos one after the other on one clock, a minute apart, so that alarms are found in all of them at once."""

    scores: NDArray[np.float32]
    """[R], of all rows; between two videos a row of -1."""
    boundaries: NDArray[np.float64]
    """[R + 1], starts of the rows in seconds, and the end of the last."""
    num_positive: NDArray[np.intp]
    """[R + 1], anomalous frames before each boundary."""
    video: NDArray[np.intp]
    """[R], index of the video."""
    stretch_rows: NDArray[np.intp]
    """[S, 2], first row of every stretch and the one after its last."""
    normal_hours: NDArray[np.float64]
    """[V], per video, without annotation."""
    frame_rate_hz: float

    @property
    def distinct_scores(self) -> NDArray[np.float32]:
        """Ascending."""
        return np.unique(self.scores[self.scores >= 0])

    @property
    def stretch_video(self) -> NDArray[np.intp]:
        """[S], index of the video."""
        return self.video[self.stretch_rows[:, 0]]

    @property
    def num_stretches(self) -> int:
        """In all videos."""
        return len(self.stretch_rows)

    @property
    def hours(self) -> float:
        """Scored time in which nothing is annotated, of all videos."""
        return float(self.normal_hours.sum())


class Alarms(NamedTuple):
    """All alarms of some videos at one threshold, A of them."""

    video: NDArray[np.intp]
    """[A], index of the video."""
    peak: NDArray[np.float64]
    """[A], highest score inside."""
    seconds: NDArray[np.float64]
    """[A], how long each lasts."""
    shared_seconds: NDArray[np.float64]
    """[A], how much of that is annotated."""
    is_found: NDArray[np.bool_]
    """[S], stretches that an alarm overlaps."""

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """[A]"""
        return self.shared_seconds > 0

    @property
    def num_found(self) -> int:
        """Stretches that an alarm overlaps."""
        return int(self.is_found.sum())

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


def join_videos(videos: Sequence[Watched]) -> Footage:
    """Videos of one frame rate on one clock.

    Args:
        videos: one at least.
    """
    rate = videos[0].frame_rate_hz
    apart = max(round(APART_SECONDS * rate), 1)
    num_rows = np.array([len(video.scores) + 1 for video in videos])
    stretch_rows, row_frames, num_positive = [], [], []
    for video, first_row in zip(videos, np.cumsum(num_rows) - num_rows, strict=True):
        start, stop = video.stretches.T
        stretch_rows.append(
            first_row + np.stack([start // video.frames_per_row, -(-stop // video.frames_per_row)], axis=1)
        )
        row_frames.append(np.append(np.full(len(video.scores), video.frames_per_row), apart))
        num_positive.append(np.append(video.is_positive.reshape(-1, video.frames_per_row).sum(axis=1), 0))
    return Footage(
        scores=np.concatenate([np.append(video.scores, -1).astype(np.float32) for video in videos]),
        boundaries=np.append(0, np.cumsum(np.concatenate(row_frames))) / rate,
        num_positive=np.append(0, np.cumsum(np.concatenate(num_positive))),
        video=np.repeat(np.arange(len(videos)), num_rows),
        stretch_rows=np.concatenate(stretch_rows),
        normal_hours=np.array([video.normal_hours for video in videos]),
        frame_rate_hz=rate,
    )


def find_alarms(footage: Footage, threshold: float) -> Alarms:
    """All alarms at this threshold, within [0, 1], by video, then by time."""
    spans = span_rows(footage.scores, footage.boundaries, EventRules(threshold))
    start, stop = spans.T
    # Rows from a start to the next one: those after the alarm are lower than its highest.
    peak = np.maximum.reduceat(footage.scores, start) if len(start) else np.zeros(0)
    # The first alarm that ends after the stretch begins is the only one that can be the first to overlap it.
    candidate = np.searchsorted(stop, footage.stretch_rows[:, 0], side="right")
    starts = np.append(start, len(footage.scores))
    return Alarms(
        video=footage.video[start],
        peak=peak.astype(np.float64),
        seconds=footage.boundaries[stop] - footage.boundaries[start],
        shared_seconds=(footage.num_positive[stop] - footage.num_positive[start]) / footage.frame_rate_hz,
        is_found=starts[candidate] < footage.stretch_rows[:, 1],
    )


def false_alarms_at_recall(footage: Footage, recall: float) -> OperatingPoint | None:
    """What it costs to find this share of the stretches; None where there is nothing to find, or no normal time.

    The threshold is read off the videos that are measured, as any point of a curve is: it describes the scores,
    not a choice of threshold.
    """
    if footage.num_stretches == 0 or footage.hours <= 0:
        return None
    needed = int(np.ceil(recall * footage.num_stretches - ROUNDING))
    candidates = footage.distinct_scores
    # A snippet above a threshold is above every lower one, so the number found only grows: bisect. At the lowest
    # score every snippet is above it, and every event found.
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if find_alarms(footage, float(candidates[middle])).num_found >= needed:
            low = middle
        else:
            high = middle - 1
    threshold = float(candidates[low])
    alarms = find_alarms(footage, threshold)
    return OperatingPoint(threshold, alarms.num_found / footage.num_stretches, alarms.num_false / footage.hours)
