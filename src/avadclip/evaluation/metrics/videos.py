"""Measures of whole videos, each with one label and one score, and how far they may be off."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.evaluation.metrics.records import Head, Subject, VideoMeasure

NUM_RESAMPLES = 2000
CONFIDENCE_PERCENT = 95


class Bounded(NamedTuple):
    """A measure within [0, 1], and its interval at 95 % confidence."""

    value: float
    low: float
    high: float


class VideoMeasures(NamedTuple):
    """None where the videos are all normal or all anomalous, which no ranking can be judged on."""

    average_precision: Bounded | None
    roc_auc: Bounded | None


def measure_videos(
    subject: Subject, anomaly: Mapping[Head, Sequence[NDArray[np.floating]]], is_anomalous: Sequence[bool]
) -> tuple[VideoMeasure, ...]:
    """AP and AUC of every head; a video's score is its highest.

    Args:
        subject: for the report.
        anomaly: per head, one array [T] per video, on any scale.
        is_anomalous: by label, one per video.
    """
    found = []
    for head, curves in anomaly.items():
        measures = video_measures(np.array([curve.max() for curve in curves]), np.array(is_anomalous, dtype=bool))
        for name, value in (("video_ap", measures.average_precision), ("video_roc_auc", measures.roc_auc)):
            percents = (None,) * 3 if value is None else tuple(100 * each for each in value)
            limits = dict(zip(("percent", "low_percent", "high_percent"), percents, strict=True))
            found.append(VideoMeasure(name=name, head=head, **limits, **subject.origin))
    return tuple(found)


def video_measures(scores: NDArray[np.floating], is_anomalous: NDArray[np.bool_], *, seed: int = 0) -> VideoMeasures:
    """Measure video scores against one label per video, with bootstrap intervals.

    The bootstrap draws videos with replacement, as many normal and as many anomalous ones as there are: AP keeps its
    chance level. The interval holds the middle 95 % of the measures of 2000 such draws.

    Args:
        scores: [N]; any monotonous scale.
        is_anomalous: [N], by label.
        seed: of the draws.
    """
    if not is_anomalous.any() or is_anomalous.all():
        return VideoMeasures(None, None)
    random = np.random.default_rng(seed)
    times_drawn = np.ones((1 + NUM_RESAMPLES, len(scores)))  # first the videos as they are
    for kind in (True, False):
        own = np.flatnonzero(is_anomalous == kind)
        times_drawn[1:, own] = random.multinomial(len(own), np.full(len(own), 1 / len(own)), size=NUM_RESAMPLES)
    return VideoMeasures(*(_bounded(values) for values in _rank(scores, is_anomalous, times_drawn)))


def _rank(
    scores: NDArray[np.floating], is_anomalous: NDArray[np.bool_], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AP (the step-wise sum) and ROC AUC of weighted videos, [R] each; weights [R, N]."""
    order = np.argsort(-scores, kind="stable")
    last_of_equal = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # one threshold per distinct score
    found, false = (
        np.cumsum(weights[:, order] * is_kind[order], axis=1)[:, last_of_equal]
        for is_kind in (is_anomalous, ~is_anomalous)
    )
    new_found, new_false = np.diff(found, prepend=0, axis=1), np.diff(false, prepend=0, axis=1)
    num_anomalous, num_normal = found[:, -1], false[:, -1]
    precision = found / np.maximum(found + false, 1)  # nothing of a score was drawn: it counts with weight 0
    average_precision = (new_found * precision).sum(axis=1) / num_anomalous
    roc_auc = (new_false * (found - new_found / 2)).sum(axis=1) / (num_anomalous * num_normal)
    return average_precision, roc_auc


def _bounded(values: NDArray[np.float64]) -> Bounded:
    tail = (100 - CONFIDENCE_PERCENT) / 2
    low, high = np.percentile(values[1:], [tail, 100 - tail])
    return Bounded(float(values[0]), float(low), float(high))
