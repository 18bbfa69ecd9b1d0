"""Every measure of the frames of all videos together, of one head."""

from collections.abc import Sequence

import numpy as np

from avadclip.evaluation.metrics.control import kept_share, video_means
from avadclip.evaluation.metrics.frame import frame_measures
from avadclip.evaluation.metrics.latency import latency_average_precision
from avadclip.evaluation.metrics.pairs import pair_measures
from avadclip.evaluation.metrics.quality import calibration_error
from avadclip.evaluation.metrics.records import AucParts, Head, LatencyAp, Measure, MeasureName, Subject, percent
from avadclip.evaluation.metrics.truth import Curves, ScoredFrames, VideoTruth

RANKING_MEASURES: tuple[MeasureName, ...] = ("frame_ap", "pr_auc", "roc_auc")
LATENCY_SECONDS = (2.0, 5.0, 10.0)


def measure_frames(subject: Subject, head: Head, curves: Curves, frames: ScoredFrames) -> list[Measure]:
    """AP and AUC, each with its control of video means, and the calibration error."""
    scores, num_positive, frames_per_row, video = frames
    values = frame_measures(scores, num_positive, frames_per_row)
    controls = frame_measures(
        video_means(curves),
        np.bincount(video, num_positive).astype(np.intp),
        np.array([len(curve) for curve in curves]) * frames_per_row,
    )
    chances = (frames.positive_share, frames.positive_share, 0.5)
    measures = [
        Measure(
            name=name,
            head=head,
            protocol="frame",
            percent=percent(value),
            video_mean_percent=percent(control),
            kept_percent=percent(kept_share(value, control, chance)),
            **subject.origin,
        )
        for name, value, control, chance in zip(RANKING_MEASURES, values, controls, chances, strict=True)
    ]
    error = calibration_error(scores, num_positive, frames_per_row) if frames.are_shares else None
    calibration = Measure(
        name="calibration_error", head=head, protocol="frame", percent=percent(error), **subject.origin
    )
    return [*measures, calibration]


def measure_pairs(subject: Subject, head: Head, frames: ScoredFrames) -> list[AucParts]:
    """The parts of the ROC AUC; none where it is undefined."""
    parts = pair_measures(*frames)
    if parts is None:
        return []
    shares = zip(("within_share_percent", "within_percent", "cross_percent"), map(percent, parts), strict=True)
    return [AucParts(head=head, **dict(shares), **subject.origin)]


def measure_latency(
    subject: Subject, head: Head, frames: ScoredFrames, truths: Sequence[VideoTruth], frame_rate_hz: float
) -> list[LatencyAp]:
    """AP(d) for every d; none where AP is undefined."""
    num_early = [seconds * frame_rate_hz for seconds in LATENCY_SECONDS]
    values = latency_average_precision(frames.scores, [truth.is_positive for truth in truths], num_early=num_early)
    return [
        LatencyAp(head=head, seconds=seconds, percent=100 * value, **subject.origin)
        for seconds, value in zip(LATENCY_SECONDS, values or (), strict=values is not None)
    ]
