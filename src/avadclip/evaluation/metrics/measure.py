"""All measures on the scores of a split, of a network or from elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.evaluation.metrics.alarms import Watched, false_alarms_at_recall, join_videos
from avadclip.evaluation.metrics.frame import frame_measures
from avadclip.evaluation.metrics.intervals import IOU_THRESHOLDS, MapResult, TruthInterval
from avadclip.evaluation.metrics.legacy_map import legacy_map
from avadclip.evaluation.metrics.quality import best_f1_threshold, calibration_error, f1_at
from avadclip.evaluation.metrics.records import (
    F1,
    F1Unit,
    FalseAlarms,
    Head,
    Measure,
    MeasureName,
    Protocol,
    Report,
    Subject,
)
from avadclip.evaluation.metrics.strict_map import merge_truth, strict_map
from avadclip.evaluation.metrics.videos import measure_videos
from avadclip.timeline import SnippetGrid

FRAME_MEASURES: tuple[MeasureName, ...] = ("frame_ap", "pr_auc", "roc_auc", "calibration_error")
IOU_COLUMNS: tuple[float | Literal["AVG"], ...] = (*IOU_THRESHOLDS, "AVG")  # AVG: mean of the five, as in the papers
RECALLS = (0.5, 0.8)  # of annotated stretches, at which false alarms are counted

Curves = Sequence[NDArray[np.floating]]
"""One array per video."""


class VideoTruth(NamedTuple):
    """What is annotated in the scored frames of one video."""

    intervals: tuple[TruthInterval, ...]
    """In whole frames, not clipped; a normal video has one of `normal` over its length."""
    is_positive: NDArray[np.bool_]
    """[F], anomalous frames."""

    @property
    def is_anomalous(self) -> bool:
        """By label, whether the events lie in the scored frames or not."""
        return any(interval.class_index for interval in self.intervals)

    def num_positive(self, frames_per_row: int) -> NDArray[np.intp]:
        """Anomalous frames in every row of scores, [F / frames_per_row]."""
        counts: NDArray[np.intp] = self.is_positive.reshape(-1, frames_per_row).sum(axis=1)
        return counts


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
            scores = np.concatenate(curves)
            frames_per_row = sum(len(truth.is_positive) for truth in truths) // len(scores)
            num_positive = np.concatenate([truth.num_positive(frames_per_row) for truth in truths])
            thresholds[head, "frame"] = best_f1_threshold(scores, num_positive, frames_per_row)
        peaks = np.array([curve.max() for curve in curves])
        thresholds[head, "video"] = best_f1_threshold(peaks, np.array(is_anomalous, dtype=np.intp), 1)
    return {key: threshold for key, threshold in thresholds.items() if threshold is not None}


def measure(
    subject: Subject,
    truths: Sequence[VideoTruth],
    anomaly: Mapping[Head, Curves],
    probabilities: tuple[Head, Curves] | None,
    *,
    classes: Sequence[str],
    grid: SnippetGrid,
    frames_per_row: int | None = None,
    f1_thresholds: F1Thresholds | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """Hold scores against truth.

    Args:
        subject: for the report.
        truths: one per video.
        anomaly: per head, one array [T] per video; any scale for AP and AUC, the rest needs [0, 1].
        probabilities: of the head that gives them, one array [T, C] per video, within [0, 1]; None for no mAP.
        classes: C names, `normal` first.
        grid: of the snippets; its frame rate turns frames into hours.
        frames_per_row: how many frames a score stands for; by default a snippet's.
        f1_thresholds: see choose_f1_thresholds; without them no F1.
        notes: to be kept in the report, before its own.
    """
    frames_per_row = frames_per_row or grid.snippet_frames
    num_positive = np.concatenate([truth.num_positive(frames_per_row) for truth in truths])
    num_frames = len(num_positive) * frames_per_row
    intervals = [truth.intervals for truth in truths]
    measures: list[Measure] = []
    false_alarms: list[FalseAlarms] = []
    own_notes: list[str] = []
    for head, curves in anomaly.items():
        scores = np.concatenate(curves)
        measures += _frame_level(subject, head, scores, num_positive, frames_per_row)
        if scores.min() >= 0 and scores.max() <= 1:
            false_alarms += _alarm_level(subject, head, curves, truths, grid)
        else:
            own_notes.append(
                f"head {head}: scores are outside [0, 1], so there are no false alarms and no calibration error"
            )
    if probabilities is not None:
        head, curves = probabilities
        legacy = legacy_map(curves, intervals, frames_per_snippet=frames_per_row)
        strict = strict_map(curves, intervals, frames_per_snippet=frames_per_row)
        measures += _event_level(subject, head, "legacy", legacy, classes)
        measures += _event_level(subject, head, "strict", strict, classes)
        own_notes += _legacy_notes(legacy, classes)
    return Report(
        **subject._asdict(),
        classes=tuple(classes),
        num_videos=len(truths),
        num_anomalous_videos=sum(truth.is_anomalous for truth in truths),
        num_frames=num_frames,
        snippet_frames=grid.snippet_frames,
        positive_percent=100 * int(num_positive.sum()) / num_frames,
        normal_hours=(num_frames - int(num_positive.sum())) / grid.frame_rate_hz / 3600,
        num_truths=_count_truths(truths, classes),
        measures=tuple(measures),
        video_measures=measure_videos(subject, anomaly, [truth.is_anomalous for truth in truths]),
        false_alarms=tuple(false_alarms),
        f1=tuple(_f1_level(subject, anomaly, truths, frames_per_row, f1_thresholds or {})),
        notes=(*notes, *own_notes),
    )


def measure_labels(
    subject: Subject,
    is_anomalous: Sequence[bool],
    anomaly: Mapping[Head, Curves],
    *,
    classes: Sequence[str],
    grid: SnippetGrid,
    num_frames: int,
    f1_thresholds: F1Thresholds | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """Hold scores against one label per video; see measure."""
    peaks = {head: np.array([curve.max() for curve in curves]) for head, curves in anomaly.items()}
    labels = np.array(is_anomalous, dtype=np.intp)
    f1 = [
        F1(
            head=head,
            unit=unit,
            threshold=threshold,
            percent=_percent(f1_at(threshold, peaks[head], labels, 1)),
            **subject.origin,
        )
        for (head, unit), threshold in (f1_thresholds or {}).items()
        if unit == "video"
    ]
    return Report(
        **subject._asdict(),
        classes=tuple(classes),
        num_videos=len(labels),
        num_anomalous_videos=int(labels.sum()),
        num_frames=num_frames,
        snippet_frames=grid.snippet_frames,
        positive_percent=None,
        normal_hours=None,
        num_truths={},
        measures=(),
        video_measures=measure_videos(subject, anomaly, is_anomalous),
        f1=tuple(f1),
        notes=tuple(notes),
    )


def _frame_level(
    subject: Subject, head: Head, scores: NDArray[np.floating], num_positive: NDArray[np.intp], frames_per_row: int
) -> list[Measure]:
    """All measures of one head over the frames of all videos together."""
    values: list[float | None] = [*frame_measures(scores, num_positive, frames_per_row)]
    is_share = scores.min() >= 0 and scores.max() <= 1
    values.append(calibration_error(scores, num_positive, frames_per_row) if is_share else None)
    return [
        Measure(name=name, head=head, protocol="frame", percent=_percent(value), **subject.origin)
        for name, value in zip(FRAME_MEASURES, values, strict=True)
    ]


def _alarm_level(
    subject: Subject, head: Head, curves: Curves, truths: Sequence[VideoTruth], grid: SnippetGrid
) -> list[FalseAlarms]:
    """False alarms at every recall; none where nothing is annotated, or nothing else."""
    footage = join_videos(
        [Watched(curve, truth.is_positive, grid.frame_rate_hz) for curve, truth in zip(curves, truths, strict=True)]
    )
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


def _f1_level(
    subject: Subject,
    anomaly: Mapping[Head, Curves],
    truths: Sequence[VideoTruth],
    frames_per_row: int,
    thresholds: F1Thresholds,
) -> list[F1]:
    """F1 of every head and unit that has a threshold."""
    num_positive = np.concatenate([truth.num_positive(frames_per_row) for truth in truths])
    is_anomalous = np.array([truth.is_positive.any() for truth in truths], dtype=np.intp)
    found = []
    for (head, unit), threshold in thresholds.items():
        if unit == "frame":
            value = f1_at(threshold, np.concatenate(anomaly[head]), num_positive, frames_per_row)
        else:
            value = f1_at(threshold, np.array([curve.max() for curve in anomaly[head]]), is_anomalous, 1)
        found.append(F1(head=head, unit=unit, threshold=threshold, percent=_percent(value), **subject.origin))
    return found


def _event_level(
    subject: Subject, head: Head, protocol: Protocol, result: MapResult, classes: Sequence[str]
) -> list[Measure]:
    """Mean and per class, at five IoU thresholds and their average."""
    rows: list[tuple[MeasureName, str | None, NDArray[np.float64]]] = [("map", None, result.mean)]
    rows += [("class_ap", label, row) for label, row in zip(classes, result.per_class, strict=True)]
    return [
        Measure(
            name=name, head=head, protocol=protocol, iou=iou, label=label, percent=_percent(value), **subject.origin
        )
        for name, label, row in rows
        for iou, value in zip(IOU_COLUMNS, (*row.tolist(), float(row.mean())), strict=True)
    ]


def _legacy_notes(legacy: MapResult, classes: Sequence[str]) -> list[str]:
    notes = []
    silent = [label for label, count in zip(classes, legacy.num_proposals, strict=True) if not count]
    if silent:
        notes.append(f"mAP legacy is 0 throughout because one class has no proposal at all: {', '.join(silent)}")
    absent = [label for label, count in zip(classes, legacy.num_truths, strict=True) if not count]
    if absent:
        notes.append(f"mAP legacy counts classes without truth as 0, strict leaves them out: {', '.join(absent)}")
    return notes


def _count_truths(truths: Sequence[VideoTruth], classes: Sequence[str]) -> dict[str, int]:
    counts = dict.fromkeys(classes[1:], 0)
    for truth in truths:
        for interval in merge_truth(truth.intervals, num_frames=len(truth.is_positive)):
            if interval.class_index:
                counts[classes[interval.class_index]] += 1
    return counts


def _percent(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else 100 * value
