"""F1 of frames and of whole videos, at thresholds chosen on validation."""

from collections.abc import Mapping, Sequence

import numpy as np

from avadclip.evaluation.metrics.quality import best_f1_threshold, f1_at
from avadclip.evaluation.metrics.records import F1, F1Unit, Head, Subject, percent
from avadclip.evaluation.metrics.truth import Curves, VideoTruth, join_frames

F1Thresholds = Mapping[tuple[Head, F1Unit], float]
"""Chosen on validation; empty where that was not possible."""


def choose_f1_thresholds(
    anomaly: Mapping[Head, Curves], truths: Sequence[VideoTruth] | None, is_anomalous: Sequence[bool]
) -> F1Thresholds:
    """The thresholds with the best F1 on validation, per head, for frames and for videos.

    Args:
        anomaly: per head, one score per snippet.
        truths: of the validation videos; None where not all are annotated with times: then for videos only.
        is_anomalous: by label, one per video.
    """
    thresholds: dict[tuple[Head, F1Unit], float | None] = {}
    for head, curves in anomaly.items():
        if truths is not None:
            thresholds[head, "frame"] = best_f1_threshold(*join_frames(curves, truths)[:3])
        peaks = np.array([curve.max() for curve in curves])
        thresholds[head, "video"] = best_f1_threshold(peaks, np.array(is_anomalous, dtype=np.intp), 1)
    return {key: threshold for key, threshold in thresholds.items() if threshold is not None}


def measure_f1(
    subject: Subject,
    anomaly: Mapping[Head, Curves],
    truths: Sequence[VideoTruth] | None,
    is_anomalous: Sequence[bool],
    thresholds: F1Thresholds,
) -> tuple[F1, ...]:
    """F1 of every head and unit that has a threshold; without `truths` of videos only."""
    labels = np.array(is_anomalous, dtype=np.intp)
    found = []
    for (head, unit), threshold in thresholds.items():
        if unit == "video":
            value = f1_at(threshold, np.array([curve.max() for curve in anomaly[head]]), labels, 1)
        elif truths is not None:
            value = f1_at(threshold, *join_frames(anomaly[head], truths)[:3])
        else:
            continue
        found.append(F1(head=head, unit=unit, threshold=threshold, percent=percent(value), **subject.origin))
    return tuple(found)
