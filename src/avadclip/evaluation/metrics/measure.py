"""All measures on the scores of a split, of a network or from elsewhere."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.evaluation.metrics.alarms import Watched, join_videos
from avadclip.evaluation.metrics.bootstrap import draw_videos
from avadclip.evaluation.metrics.f1 import F1Thresholds, measure_f1
from avadclip.evaluation.metrics.frame_level import measure_frames, measure_latency, measure_pairs
from avadclip.evaluation.metrics.intervals import IOU_THRESHOLDS, MapResult
from avadclip.evaluation.metrics.legacy_map import legacy_map
from avadclip.evaluation.metrics.operating import (
    LIMITS,
    measure_alarm_recalls,
    measure_false_alarms,
    measure_frame_recalls,
)
from avadclip.evaluation.metrics.records import (
    AucParts,
    FalseAlarms,
    HardNormals,
    Head,
    LatencyAp,
    Measure,
    MeasureName,
    Protocol,
    RecallAtLimit,
    Report,
    Subject,
    percent,
)
from avadclip.evaluation.metrics.strict_map import merge_truth, strict_map
from avadclip.evaluation.metrics.truth import Curves, VideoTruth, join_frames
from avadclip.evaluation.metrics.videos import measure_videos
from avadclip.timeline import SnippetGrid

IOU_COLUMNS: tuple[float | Literal["AVG"], ...] = (*IOU_THRESHOLDS, "AVG")  # AVG: mean of the five, as in the papers


def measure(
    subject: Subject,
    truths: Sequence[VideoTruth],
    anomaly: Mapping[Head, Curves],
    probabilities: tuple[Head, Curves] | None,
    *,
    classes: Sequence[str],
    grid: SnippetGrid,
    f1_thresholds: F1Thresholds | None = None,
    normal_has_legacy_truth: bool = True,
    notes: Sequence[str] = (),
) -> Report:
    """Hold scores against truth.

    Args:
        subject: for the report.
        truths: one per video.
        anomaly: per head, one array [T] per video, a score for each snippet or for each frame; any scale for AP, AUC
            and what else depends on the order of scores only, the rest needs [0, 1].
        probabilities: of the head that gives them, one array [T, C] per video, within [0, 1]; None for no mAP.
        classes: C names, `normal` first.
        grid: of the snippets; its frame rate turns frames into hours.
        f1_thresholds: see f1.choose_f1_thresholds; without them no F1.
        normal_has_legacy_truth: see legacy_map.
        notes: to be kept in the report, before its own.
    """
    is_anomalous = [truth.is_anomalous for truth in truths]
    times_drawn = draw_videos(np.array(is_anomalous))
    of_heads = [
        _measure_head(subject, head, curves, truths, times_drawn, frame_rate_hz=grid.frame_rate_hz)
        for head, curves in anomaly.items()
    ]
    events, event_notes = _measure_events(
        subject, truths, probabilities, classes, normal_has_legacy_truth=normal_has_legacy_truth
    )
    is_positive = np.concatenate([truth.is_positive for truth in truths])
    normal_hours = int((~is_positive).sum()) / grid.frame_rate_hz / 3600
    hard = [truth for truth in truths if truth.is_hard]
    own_notes = [*chain.from_iterable(each.notes for each in of_heads), *event_notes]
    if any(each.recalls for each in of_heads):
        own_notes += _short_notes(normal_hours)
    return Report(
        **subject._asdict(),
        classes=tuple(classes),
        num_videos=len(truths),
        num_anomalous_videos=sum(is_anomalous),
        num_frames=len(is_positive),
        snippet_frames=grid.snippet_frames,
        positive_percent=100 * int(is_positive.sum()) / len(is_positive),
        normal_hours=normal_hours,
        num_hard_normals=len(hard),
        hard_normal_hours=sum(len(truth.is_positive) for truth in hard) / grid.frame_rate_hz / 3600,
        num_truths=_count_truths(truths, classes),
        measures=(*chain.from_iterable(each.measures for each in of_heads), *events),
        auc_parts=tuple(chain.from_iterable(each.auc_parts for each in of_heads)),
        latency_ap=tuple(chain.from_iterable(each.latency_ap for each in of_heads)),
        video_measures=measure_videos(subject, anomaly, is_anomalous),
        recalls=tuple(chain.from_iterable(each.recalls for each in of_heads)),
        hard_normals=tuple(chain.from_iterable(each.hard_normals for each in of_heads)),
        false_alarms=tuple(chain.from_iterable(each.false_alarms for each in of_heads)),
        f1=measure_f1(subject, anomaly, truths, is_anomalous, f1_thresholds or {}),
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
    return Report(
        **subject._asdict(),
        classes=tuple(classes),
        num_videos=len(is_anomalous),
        num_anomalous_videos=sum(is_anomalous),
        num_frames=num_frames,
        snippet_frames=grid.snippet_frames,
        positive_percent=None,
        normal_hours=None,
        num_truths={},
        measures=(),
        video_measures=measure_videos(subject, anomaly, is_anomalous),
        f1=measure_f1(subject, anomaly, None, is_anomalous, f1_thresholds or {}),
        notes=tuple(notes),
    )


class _HeadMeasures(NamedTuple):
    """Measures of one head of frames and alarms."""

    measures: list[Measure]
    auc_parts: list[AucParts]
    latency_ap: list[LatencyAp]
    recalls: list[RecallAtLimit]
    hard_normals: list[HardNormals]
    false_alarms: list[FalseAlarms]
    notes: list[str]


def _measure_head(
    subject: Subject,
    head: Head,
    curves: Curves,
    truths: Sequence[VideoTruth],
    times_drawn: NDArray[np.float64],
    *,
    frame_rate_hz: float,
) -> _HeadMeasures:
    frames = join_frames(curves, truths)
    is_hard = np.array([truth.is_hard for truth in truths])
    recalls, hard_normals = measure_frame_recalls(subject, head, frames, times_drawn, is_hard)
    false_alarms: list[FalseAlarms] = []
    notes = []
    if frames.are_shares:
        footage = join_videos(
            [Watched(curve, truth.is_positive, frame_rate_hz) for curve, truth in zip(curves, truths, strict=True)]
        )
        false_alarms = measure_false_alarms(subject, head, footage)
        of_alarms = measure_alarm_recalls(subject, head, footage, times_drawn, is_hard)
        recalls, hard_normals = of_alarms[0] + recalls, hard_normals + of_alarms[1]
    else:
        notes.append(f"head {head}: scores are outside [0, 1], so there are no false alarms and no calibration error")
    return _HeadMeasures(
        measures=measure_frames(subject, head, curves, frames),
        auc_parts=measure_pairs(subject, head, frames),
        latency_ap=measure_latency(subject, head, frames, truths, frame_rate_hz),
        recalls=recalls,
        hard_normals=hard_normals,
        false_alarms=false_alarms,
        notes=notes,
    )


def _measure_events(
    subject: Subject,
    truths: Sequence[VideoTruth],
    probabilities: tuple[Head, Curves] | None,
    classes: Sequence[str],
    *,
    normal_has_legacy_truth: bool,
) -> tuple[list[Measure], list[str]]:
    """mAP by both protocols, and notes; nothing without class probabilities."""
    if probabilities is None:
        return [], []
    head, curves = probabilities
    frames_per_row = len(truths[0].is_positive) // len(curves[0])
    intervals = [truth.intervals for truth in truths]
    legacy = legacy_map(curves, intervals, frames_per_snippet=frames_per_row, normal_has_truth=normal_has_legacy_truth)
    strict = strict_map(curves, intervals, frames_per_snippet=frames_per_row)
    measures = _event_level(subject, head, "legacy", legacy, classes)
    return measures + _event_level(subject, head, "strict", strict, classes), _legacy_notes(legacy, classes)


def _event_level(
    subject: Subject, head: Head, protocol: Protocol, result: MapResult, classes: Sequence[str]
) -> list[Measure]:
    """Mean and per class, at five IoU thresholds and their average."""
    rows: list[tuple[MeasureName, str | None, NDArray[np.float64]]] = [("map", None, result.mean)]
    rows += [("class_ap", label, row) for label, row in zip(classes, result.per_class, strict=True)]
    return [
        Measure(name=name, head=head, protocol=protocol, iou=iou, label=label, percent=percent(value), **subject.origin)
        for name, label, row in rows
        for iou, value in zip(IOU_COLUMNS, (*row.tolist(), float(row.mean())), strict=True)
    ]


def _short_notes(normal_hours: float) -> list[str]:
    """Which rates of false alarms so much normal time cannot show."""
    short = [limit for limit in LIMITS["false_alarms_per_hour"] if limit * normal_hours < 1]
    if not short:
        return []
    rates = ", ".join(f"{limit:g}" for limit in short)
    return [f"recall at {rates} false alarms per hour: {normal_hours:.2f} h of normal time allow none at all"]


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
