"""mAP `strict`: events against annotated intervals without the quirks of the published script."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avadclip.evaluation.metrics.intervals import (
    IOU_THRESHOLDS,
    MapResult,
    Proposals,
    TruthInterval,
    average_precisions,
    check_videos,
    find_runs,
    interval_iou,
    join_proposals,
    reduce_runs,
)

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the class probability, one set of proposals each
SUPPRESSION_IOU = 0.5  # of two proposals that overlap more, the better stays


def strict_map(
    probabilities: Sequence[NDArray[np.floating]],
    truth: Sequence[Sequence[TruthInterval]],
    *,
    frames_per_snippet: int,
) -> MapResult:
    """Mean average precision over the anomaly classes that have truth; normal videos count by their false positives.

    Truth is clipped to the scored frames; touching or overlapping intervals of one class are one. Proposals are the
    runs of snippets at or above .1, .2 .. .9 in the class's probability, scored by the mean inside, and thinned by
    non-maximum suppression. Equal scores keep the order of videos, then of time.

    Args:
        probabilities: per video [T, C], within [0, 1]; rows need not sum to 1: a per-frame oracle may give 1 for two
            classes at once. Levels are compared in the array's own dtype.
        truth: per video, in frames; `normal` is ignored.
        frames_per_snippet: how many frames a row stands for; 16, CCTV-Fights 4.

    Returns:
        NaN for `normal` and for classes without truth; all NaN where no class has any.
    """
    num_classes = check_videos(probabilities, truth)
    of_class: list[list[tuple[int, TruthInterval]]] = [[] for _ in range(num_classes)]
    for video, (rows, intervals) in enumerate(zip(probabilities, truth, strict=True)):
        for interval in merge_truth(intervals, num_frames=len(rows) * frames_per_snippet):
            if interval.class_index != 0:
                of_class[interval.class_index].append((video, interval))
    proposals = _propose(probabilities, num_classes, frames_per_snippet)
    per_class = np.full((num_classes, len(IOU_THRESHOLDS)), np.nan)
    for class_index, each in enumerate(of_class):
        if each:
            found = proposals[class_index]
            ranked = found.pick(np.argsort(-found.score, kind="stable"))
            per_class[class_index] = average_precisions(ranked, each)
    has_truth = [bool(each) for each in of_class]
    mean = per_class[has_truth].mean(axis=0) if any(has_truth) else np.full(len(IOU_THRESHOLDS), np.nan)
    num_proposals = np.array([len(each) for each in proposals])
    return MapResult(mean, per_class, np.array([len(each) for each in of_class]), num_proposals)


def merge_truth(intervals: Sequence[TruthInterval], *, num_frames: int) -> list[TruthInterval]:
    """Intervals clipped to [0, num_frames), those of one class that touch or overlap made one; by class, then start."""
    merged: list[TruthInterval] = []
    for class_index, start, end in sorted(intervals):
        clipped = TruthInterval(class_index, max(start, 0), min(end, num_frames))
        if clipped.end <= clipped.start:
            continue
        if merged and merged[-1].class_index == class_index and clipped.start <= merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(merged[-1].end, clipped.end))
        else:
            merged.append(clipped)
    return merged


def _propose(
    probabilities: Sequence[NDArray[np.floating]], num_classes: int, frames_per_snippet: int
) -> list[Proposals]:
    """Proposals per class, by video, then best first; none for `normal`."""
    of_normal = Proposals(np.zeros(0, dtype=np.intp), np.zeros(0), np.zeros(0), np.zeros(0))
    of_anomalies = [
        join_proposals(
            [_propose_in_video(rows[:, which], video, frames_per_snippet) for video, rows in enumerate(probabilities)]
        )
        for which in range(1, num_classes)
    ]
    return [of_normal, *of_anomalies]


def _propose_in_video(curve: NDArray[np.floating], video: int, frames_per_snippet: int) -> Proposals:
    """Proposals of one class in one video, best first, then earliest."""
    levels = np.asarray(LEVELS, dtype=curve.dtype)
    _, starts, stops = find_runs(curve >= levels[:, None])
    runs = np.unique(np.stack([starts, -stops], axis=1), axis=0)  # the same run at several levels is one; long first
    start, stop = runs[:, 0], -runs[:, 1]
    sums = reduce_runs(np.add, curve[None].astype(np.float64), np.zeros_like(start), start, stop)
    score = sums / (stop - start)
    order = np.lexsort((start, -score))
    kept = order[_suppress(start[order].astype(np.float64), stop[order].astype(np.float64))]
    begin, end = start[kept] * float(frames_per_snippet), stop[kept] * float(frames_per_snippet)
    return Proposals(np.full(len(kept), video, dtype=np.intp), begin, end, score[kept])


def _suppress(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices that survive non-maximum suppression, for intervals that come best first."""
    remaining = np.arange(len(start))
    kept = []
    while len(remaining):
        best, rest = remaining[0], remaining[1:]
        kept.append(best)
        remaining = rest[interval_iou(start[best], end[best], start[rest], end[rest]) <= SUPPRESSION_IOU]
    return np.array(kept, dtype=np.intp)
