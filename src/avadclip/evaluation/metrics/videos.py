"""Measures of whole videos, each with one label and one score, and how far they may be off."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.evaluation.metrics.bootstrap import Bounded, bound, draw_groups, draw_videos
from avadclip.evaluation.metrics.control import kept_share, video_means
from avadclip.evaluation.metrics.records import Head, Subject, VideoMeasure, VideoMeasureName, percent


class VideoMeasures(NamedTuple):
    """None where the videos are all normal or all anomalous, which no ranking can be judged on."""

    average_precision: Bounded | None
    roc_auc: Bounded | None


def measure_videos(
    subject: Subject, anomaly: Mapping[Head, Sequence[NDArray[np.floating]]], is_anomalous: Sequence[bool]
) -> tuple[VideoMeasure, ...]:
    """AP and AUC of every head; a video's score is its highest, and its mean for the control.

    Args:
        subject: for the report.
        anomaly: per head, one array [T] per video, on any scale.
        is_anomalous: by label, one per video.
    """
    labels = np.array(is_anomalous, dtype=bool)
    names: tuple[VideoMeasureName, ...] = ("video_ap", "video_roc_auc")
    chances = (float(labels.mean()), 0.5)
    found = []
    for head, curves in anomaly.items():
        values = video_measures(np.array([curve.max() for curve in curves]), labels)
        controls = _rank(video_means(curves), labels, np.ones((1, len(labels))))
        for name, value, control, chance in zip(names, values, controls, chances, strict=True):
            bounds = (None, None, None) if value is None else value
            mean = None if value is None else float(control[0])
            limits = dict(zip(("percent", "low_percent", "high_percent"), map(percent, bounds), strict=True))
            kept = percent(kept_share(bounds[0], mean, chance))
            found.append(
                VideoMeasure(
                    name=name,
                    head=head,
                    **limits,
                    video_mean_percent=percent(mean),
                    kept_percent=kept,
                    **subject.origin,
                )
            )
    return tuple(found)


def video_measures(
    scores: NDArray[np.floating],
    is_anomalous: NDArray[np.bool_],
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> VideoMeasures:
    """Measure video scores against one label per video, with bootstrap intervals.

    Args:
        scores: [N]; any monotonous scale.
        is_anomalous: [N], by label.
        groups: the recording of each video, where whole recordings are to be drawn.
        seed: of the draws.
    """
    if not is_anomalous.any() or is_anomalous.all():
        return VideoMeasures(None, None)
    if groups is None:
        times_drawn = draw_videos(is_anomalous, seed=seed)
    else:
        times_drawn = draw_groups(groups, is_anomalous, seed=seed)
    return VideoMeasures(*(bound(values) for values in _rank(scores, is_anomalous, times_drawn)))


def _rank(
    scores: NDArray[np.floating], is_anomalous: NDArray[np.bool_], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AP (the step-wise sum) and ROC AUC of weighted videos, [R] each; weights [R, N]. 0 where one kind is missing."""
    order = np.argsort(-scores, kind="stable")
    last_of_equal = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # one threshold per distinct score
    found, false = (
        np.cumsum(weights[:, order] * is_kind[order], axis=1)[:, last_of_equal]
        for is_kind in (is_anomalous, ~is_anomalous)
    )
    new_found, new_false = np.diff(found, prepend=0, axis=1), np.diff(false, prepend=0, axis=1)
    num_anomalous, num_normal = found[:, -1], false[:, -1]
    precision = found / np.maximum(found + false, 1)  # nothing of a score was drawn: it counts with weight 0
    average_precision = (new_found * precision).sum(axis=1) / np.maximum(num_anomalous, 1)
    roc_auc = (new_false * (found - new_found / 2)).sum(axis=1) / np.maximum(num_anomalous * num_normal, 1)
    return average_precision, roc_auc
