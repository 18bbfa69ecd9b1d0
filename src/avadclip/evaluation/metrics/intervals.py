"""Timed truth, timed proposals, and their matching; shared by both mAP protocols."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

IOU_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)  # of the papers' tables


class TruthInterval(NamedTuple):
    """One annotated stretch of one video, half open [start, end), in frames."""

    class_index: int
    """0 is normal."""
    start: float
    end: float


@dataclass(frozen=True)
class Proposals:
    """Predicted stretches of one class, half open, in frames; P of them."""

    video: NDArray[np.intp]
    """[P], index of the video."""
    start: NDArray[np.float64]
    """[P]"""
    end: NDArray[np.float64]
    """[P]"""
    score: NDArray[np.float64]
    """[P]"""

    def __len__(self) -> int:
        return len(self.score)

    def pick(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> "Proposals":
        """Some of the proposals, or all in another order."""
        return Proposals(self.video[which], self.start[which], self.end[which], self.score[which])


def join_proposals(parts: Sequence[Proposals]) -> Proposals:
    """All proposals of several videos, in that order."""
    return Proposals(
        np.concatenate([part.video for part in parts]),
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.end for part in parts]),
        np.concatenate([part.score for part in parts]),
    )


class MapResult(NamedTuple):
    """Mean average precision at the five IoU thresholds; all within [0, 1], NaN where undefined."""

    mean: NDArray[np.float64]
    """[5], over classes."""
    per_class: NDArray[np.float64]
    """[C, 5]; NaN for classes that the protocol leaves out."""
    num_truths: NDArray[np.intp]
    """[C], annotated intervals as the protocol counts them."""
    num_proposals: NDArray[np.intp]
    """[C]"""

    @property
    def average(self) -> float:
        """Mean of the five; `AVG` in the papers' tables."""
        return float(self.mean.mean())


def check_videos(probabilities: Sequence[NDArray[np.floating]], truth: Sequence[Sequence[TruthInterval]]) -> int:
    """The number of classes, C; ValueError where scores and truth are not of the same videos, or of none."""
    if not probabilities or len(truth) != len(probabilities):
        raise ValueError(f"{len(probabilities)} videos with scores and {len(truth)} with truth; needed as many, not 0")
    widths = {rows.shape[1] for rows in probabilities}
    if len(widths) > 1 or any(len(rows) == 0 for rows in probabilities):
        raise ValueError(f"scores of {sorted(widths)} classes, or none; needed [T, C] with one C and T > 0")
    return int(widths.pop())


def find_runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Half-open runs of True in every row, by row and then by start.

    Args:
        mask: [R, T]

    Returns:
        row, start and stop of every run.
    """
    padded = np.zeros((len(mask), mask.shape[1] + 2), dtype=bool)
    padded[:, 1:-1] = mask
    row, edge = np.nonzero(padded[:, 1:] != padded[:, :-1])
    return row[::2], edge[::2], edge[1::2]


def reduce_runs(
    ufunc: np.ufunc,
    values: NDArray[np.floating],
    row: NDArray[np.intp],
    start: NDArray[np.intp],
    stop: NDArray[np.intp],
) -> NDArray[np.floating]:
    """`ufunc.reduce` over values[row, start:stop] of every run; runs may overlap, none may be empty.

    Args:
        ufunc: np.maximum, np.add ..
        values: [R, T]
        row: [P], as are `start` and `stop`.
    """
    padded = np.zeros((len(values), values.shape[1] + 1), dtype=values.dtype)  # so that every stop is an index
    padded[:, :-1] = values
    first = row * padded.shape[1]
    edges = np.stack([first + start, first + stop], axis=1).ravel()
    reduced: NDArray[np.floating] = ufunc.reduceat(padded.ravel(), edges)[::2]
    return reduced


def interval_iou(
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    other_start: NDArray[np.float64],
    other_end: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Intersection over union of intervals, pair by pair (shapes broadcast); 0 where both are empty."""
    shared = np.maximum(np.minimum(end, other_end) - np.maximum(start, other_start), 0)
    union = (end - start) + (other_end - other_start) - shared
    iou: NDArray[np.float64] = np.divide(shared, union, out=np.zeros(np.shape(union)), where=union > 0)
    return iou


def average_precisions(
    ranked: Proposals, truth: Sequence[tuple[int, TruthInterval]], thresholds: Sequence[float] = IOU_THRESHOLDS
) -> NDArray[np.float64]:
    """Average precision of one class: sum of the precision at every true positive / number of truths.

    Going down the ranking, a proposal takes the truth of its video that overlaps it most among the free ones;
    it is a true positive where that IoU reaches the threshold.

    Args:
        ranked: best first.
        truth: (video, interval) of this class; of two that overlap a proposal equally, the first is taken.
        thresholds: of IoU.

    Returns:
        One value per threshold, 0 where nothing was found.
    """
    if len(ranked) == 0 or not truth:
        return np.zeros(len(thresholds))
    pairs, iou = _overlapping_pairs(ranked, truth, min(thresholds))
    ranks = np.arange(1, len(ranked) + 1)
    values = []
    for threshold in thresholds:
        is_hit = np.zeros(len(ranked))
        taken: set[int] = set()
        for rank, which in pairs[iou >= threshold].tolist():
            if which not in taken and not is_hit[rank]:
                taken.add(which)
                is_hit[rank] = 1.0
        values.append(np.sum(np.cumsum(is_hit) / ranks * is_hit) / len(truth))
    return np.array(values)


def _overlapping_pairs(
    ranked: Proposals, truth: Sequence[tuple[int, TruthInterval]], least: float
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Pairs (rank, truth), [M, 2], by rank, then best IoU first, then as listed; and their IoU, `least` at least."""
    by_video = sorted(range(len(truth)), key=lambda which: truth[which][0])  # stable
    videos = np.array([truth[which][0] for which in by_video])
    first = np.searchsorted(videos, ranked.video, side="left")
    count = np.searchsorted(videos, ranked.video, side="right") - first
    rank = np.repeat(np.arange(len(ranked)), count)
    within = np.arange(len(rank)) - np.repeat(np.cumsum(count) - count, count)
    which = np.array(by_video)[np.repeat(first, count) + within]
    starts = np.array([interval.start for _, interval in truth], dtype=np.float64)
    ends = np.array([interval.end for _, interval in truth], dtype=np.float64)
    iou = interval_iou(ranked.start[rank], ranked.end[rank], starts[which], ends[which])
    order = np.lexsort((which, -iou, rank))
    order = order[iou[order] >= least]
    return np.stack([rank[order], which[order]], axis=1), iou[order]
