"""What an operator meets: recall and false alarms against each other, of one head, and hard normal videos apart."""

import numpy as np
from numpy.typing import NDArray

from avadclip.evaluation.metrics.alarms import Footage, false_alarms_at_recall
from avadclip.evaluation.metrics.frame import frame_auc
from avadclip.evaluation.metrics.recall import RecallCurve, RecallPoint, alarm_curve, frame_curve, recall_within
from avadclip.evaluation.metrics.records import (
    FalseAlarms,
    FalseOnes,
    HardNormals,
    Head,
    RecallAtLimit,
    Subject,
    percent,
)
from avadclip.evaluation.metrics.thresholds import rate_interval
from avadclip.evaluation.metrics.truth import ScoredFrames

RECALLS = (0.5, 0.8)  # of annotated stretches, at which false alarms are counted
LIMITS: dict[FalseOnes, tuple[float, ...]] = {
    "false_alarms_per_hour": (0.1, 1.0, 10.0),
    "false_positive_percent": (1.0,),
}
"""Of false ones, at which recall is measured."""

Operating = tuple[list[RecallAtLimit], list[HardNormals]]
"""Recall at limits of false ones, and false ones in hard normal videos at the same thresholds."""


def measure_false_alarms(subject: Subject, head: Head, footage: Footage) -> list[FalseAlarms]:
    """False alarms at every recall; none where nothing is annotated, or nothing else."""
    points = [(recall, false_alarms_at_recall(footage, recall)) for recall in RECALLS]
    return [
        FalseAlarms(
            head=head,
            wanted_recall_percent=100 * recall,
            recall_percent=100 * point.recall,
            threshold=point.threshold,
            per_hour=point.false_alarms_per_hour,
            **subject.origin,
        )
        for recall, point in points
        if point is not None
    ]


def measure_alarm_recalls(
    subject: Subject, head: Head, footage: Footage, times_drawn: NDArray[np.float64], is_hard: NDArray[np.bool_]
) -> Operating:
    """Recall of stretches at every rate of false alarms.

    Args:
        subject: for the report.
        head: of the scores.
        footage: V videos.
        times_drawn: [1 + R, V], from bootstrap.draw_videos.
        is_hard: [V], normal videos to measure apart.

    Returns:
        Nothing where nothing is annotated, or nothing else; no hard normals where no video is hard.
    """
    return _measure(subject, head, alarm_curve(footage), times_drawn, is_hard)


def measure_frame_recalls(
    subject: Subject, head: Head, frames: ScoredFrames, times_drawn: NDArray[np.float64], is_hard: NDArray[np.bool_]
) -> Operating:
    """Recall of anomalous frames at a false positive rate, and the ROC AUC against hard normal videos; as above."""
    curve = frame_curve(*frames, limit_percent=LIMITS["false_positive_percent"][0])
    recalls, hard_normals = _measure(subject, head, curve, times_drawn, is_hard)
    return recalls, [*_hard_auc(subject, head, frames, is_hard), *hard_normals]


def _measure(
    subject: Subject,
    head: Head,
    curve: RecallCurve | None,
    times_drawn: NDArray[np.float64],
    is_hard: NDArray[np.bool_],
) -> Operating:
    recalls: list[RecallAtLimit] = []
    hard_normals: list[HardNormals] = []
    if curve is None:
        return recalls, hard_normals
    limits = LIMITS[curve.false_ones]
    for limit, point in zip(limits, recall_within(curve, limits, times_drawn), strict=True):
        origin = {"head": head, "limit": limit, **subject.origin}
        reached, low, high = _false_ones(curve, point, np.full_like(is_hard, True))
        recalls.append(
            RecallAtLimit(
                limit_of=curve.false_ones,
                threshold=point.threshold,
                recall_percent=100 * point.recall.value,
                low_percent=100 * point.recall.low,
                high_percent=100 * point.recall.high,
                reached=reached,
                low=low,
                high=high,
                **origin,
            )
        )
        if is_hard.any():
            hard, low, high = _false_ones(curve, point, is_hard)
            others, _, _ = _false_ones(curve, point, ~is_hard)
            hard_normals.append(
                HardNormals(name=curve.false_ones, hard=hard, low=low, high=high, others=others, **origin)
            )
    return recalls, hard_normals


def _false_ones(
    curve: RecallCurve, point: RecallPoint, which: NDArray[np.bool_]
) -> tuple[float | None, float | None, float | None]:
    """Their rate in some of the videos, of alarms with its interval; None without normal time."""
    count, exposure = float(point.num_false[which].sum()), float(curve.exposure[which].sum())
    if exposure <= 0:
        return None, None, None
    is_count = curve.false_ones == "false_alarms_per_hour"
    return count / exposure, *(rate_interval(round(count), exposure) if is_count else (None, None))


def _hard_auc(subject: Subject, head: Head, frames: ScoredFrames, is_hard: NDArray[np.bool_]) -> list[HardNormals]:
    """Of all anomalous frames against the normal frames of hard normal videos, and against all others."""
    if not is_hard.any():
        return []
    num_normal = frames.frames_per_row - frames.num_positive
    hard, others = (
        percent(frame_auc(frames.scores, frames.num_positive, num_normal * kept))
        for kept in (is_hard[frames.video], ~is_hard[frames.video])
    )
    return [HardNormals(head=head, name="roc_auc_percent", limit=None, hard=hard, others=others, **subject.origin)]
