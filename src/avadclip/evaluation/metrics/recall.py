"""Recall at a limit of false alarms: what is found where a person can still answer what is not."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.evaluation.metrics.alarms import ROUNDING, Footage, find_alarms
from avadclip.evaluation.metrics.bootstrap import Bounded, bound
from avadclip.evaluation.metrics.records import FalseOnes

MAX_THRESHOLDS = 1000  # tried; of more distinct scores, ranks in equal ratios, so that the highest are all tried


class RecallCurve(NamedTuple):
    """What K thresholds find in V videos, and what they find wrongly."""

    thresholds: NDArray[np.float64]
    """[K], the highest first."""
    num_found: NDArray[np.float64]
    """[V, K], stretches or frames."""
    num_false: NDArray[np.float64]
    """[V, K], false alarms as they count, or normal frames."""
    num_to_find: NDArray[np.float64]
    """[V], stretches, or anomalous frames."""
    exposure: NDArray[np.float64]
    """[V], what a rate of false ones refers to: hours without annotation, or hundreds of normal frames."""
    false_ones: FalseOnes
    """What they are, and the unit of their rate."""


class RecallPoint(NamedTuple):
    """The lowest threshold at which, and above which, false ones keep to a limit."""

    threshold: float | None
    """None where not even the highest one does."""
    recall: Bounded
    """Share found at the threshold; 0 without one."""
    num_false: NDArray[np.float64]
    """[V], at the threshold."""


def alarm_curve(footage: Footage) -> RecallCurve | None:
    """Stretches found, and false alarms, by the rules of metrics.alarms; None without either kind of time."""
    if footage.num_stretches == 0 or footage.hours <= 0:
        return None
    num_videos, stretch_video = len(footage.normal_hours), footage.stretch_video
    thresholds = _thresholds_to_try(footage.distinct_scores)
    found, false = (np.zeros((num_videos, len(thresholds))) for _ in range(2))
    for index, threshold in enumerate(thresholds.tolist()):
        alarms = find_alarms(footage, threshold)
        is_false = ~alarms.is_right
        found[:, index] = np.bincount(stretch_video, alarms.is_found, minlength=num_videos)
        false[:, index] = np.bincount(alarms.video[is_false], alarms.counts[is_false], minlength=num_videos)
    num_to_find = np.bincount(stretch_video, minlength=num_videos).astype(np.float64)
    return RecallCurve(thresholds, found, false, num_to_find, footage.normal_hours, "false_alarms_per_hour")


def frame_curve(
    scores: NDArray[np.floating],
    num_positive: NDArray[np.intp],
    frames_per_row: int,
    video: NDArray[np.intp],
    *,
    limit_percent: float,
) -> RecallCurve | None:
    """Anomalous frames found, and normal frames called anomalous; None where the frames are of one kind.

    Args:
        scores: [N], of all rows of all videos; any monotonous scale.
        num_positive: [N], how many of the row's frames are anomalous.
        frames_per_row: how many frames a row stands for.
        video: [N], index of the row's video, ascending from 0.
        limit_percent: of normal frames; the lowest threshold that keeps to it is among those tried.
    """
    positive = num_positive.astype(np.float64)
    negative = frames_per_row - positive
    if not positive.any() or not negative.any():
        return None
    distinct, rank = np.unique(scores, return_inverse=True)
    false_positives = np.cumsum(np.bincount(rank, negative)[::-1])[::-1]
    exact = distinct[false_positives <= limit_percent * negative.sum() / 100 + ROUNDING][:1]
    thresholds = np.union1d(_thresholds_to_try(distinct), exact)[::-1]
    num_videos, num_thresholds = int(video[-1]) + 1, len(thresholds)
    cell = video * num_thresholds + np.searchsorted(-thresholds, -scores)  # the highest threshold a row reaches
    found, false = (
        np.bincount(cell, weights, minlength=num_videos * num_thresholds).reshape(num_videos, -1).cumsum(axis=1)
        for weights in (positive, negative)
    )
    num_to_find, exposure = (np.bincount(video, weights).astype(np.float64) for weights in (positive, negative))
    return RecallCurve(thresholds, found, false, num_to_find, exposure / 100, "false_positive_percent")


def recall_within(curve: RecallCurve, limits: Sequence[float], times_drawn: NDArray[np.float64]) -> list[RecallPoint]:
    """Recall where false ones per exposure keep to each limit, with intervals by bootstrap.

    Each draw has a threshold of its own, as other videos would have.

    Args:
        curve: with something to find, and some exposure.
        limits: most false ones per unit of exposure.
        times_drawn: [1 + R, V], from bootstrap.draw_videos.
    """
    found, false = times_drawn @ curve.num_found, times_drawn @ curve.num_false  # [1 + R, K]
    exposure, num_to_find = times_drawn @ curve.exposure, times_drawn @ curve.num_to_find
    draws = np.arange(len(times_drawn))
    points = []
    for limit in limits:
        is_above = false > limit * exposure[:, None] + ROUNDING
        num_allowed = np.where(is_above.any(axis=1), is_above.argmax(axis=1), len(curve.thresholds))
        num_found = np.where(num_allowed > 0, found[draws, num_allowed - 1], 0.0)
        with np.errstate(invalid="ignore"):  # a draw without anything to find has no recall
            recalls = num_found / num_to_find
        points.append(_point(curve, int(num_allowed[0]), bound(recalls)))
    return points


def _point(curve: RecallCurve, num_allowed: int, recall: Bounded) -> RecallPoint:
    if num_allowed == 0:
        return RecallPoint(None, recall, np.zeros_like(curve.exposure))
    last = num_allowed - 1
    return RecallPoint(float(curve.thresholds[last]), recall, curve.num_false[:, last])


def _thresholds_to_try(distinct: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scores, the highest first, from scores in ascending order."""
    highest_first = distinct[::-1].astype(np.float64)
    if len(distinct) <= MAX_THRESHOLDS:
        return highest_first
    ranks = np.unique(np.geomspace(1, len(distinct), MAX_THRESHOLDS).round().astype(np.intp)) - 1
    return highest_first[ranks]
