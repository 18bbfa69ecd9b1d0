"""The ROC AUC taken apart: pairs of frames within one video, and pairs across two."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class PairMeasures(NamedTuple):
    """ROC AUC = within_share * within + (1 - within_share) * cross, all within [0, 1].

    The ROC AUC is the share of pairs of an anomalous and a normal frame in which the anomalous one has the higher
    score, pairs of equal scores counted by half; so are `within` and `cross`, of their own pairs.
    """

    within_share: float
    """w: the share of the pairs whose two frames are of the same video."""
    within: float | None
    """Whether scores tell *when* something happens; None where no video has frames of both kinds."""
    cross: float | None
    """Whether they tell in *which* videos; None where there is one video only, or nothing else to compare with."""


def pair_measures(
    scores: NDArray[np.floating], num_positive: ArrayLike, num_frames: ArrayLike, video: NDArray[np.intp]
) -> PairMeasures | None:
    """Split the ROC AUC of frames; sorting takes the longest, no pair is formed.

    Args:
        scores: [N], of all rows of all videos; any monotonous scale.
        num_positive: [N], how many of the row's frames are anomalous.
        num_frames: [N] or one number, how many frames the row stands for.
        video: [N], index of the row's video.

    Returns:
        None where the frames are all normal or all anomalous.
    """
    positive = np.asarray(num_positive, dtype=np.float64)
    negative = np.asarray(num_frames, dtype=np.float64) - positive
    _, rank = np.unique(scores, return_inverse=True)
    all_won, all_pairs = _count_pairs(np.zeros_like(rank), rank, positive, negative)
    won, pairs = _count_pairs(video, rank, positive, negative)
    if all_pairs == 0:
        return None
    return PairMeasures(
        within_share=pairs / all_pairs,
        within=won / pairs if pairs else None,
        cross=(all_won - won) / (all_pairs - pairs) if all_pairs > pairs else None,
    )


def _count_pairs(
    group: NDArray[np.intp], rank: NDArray[np.intp], positive: NDArray[np.float64], negative: NDArray[np.float64]
) -> tuple[float, float]:
    """Pairs of one group that are in order, ties by half, and all pairs of one group.

    Counts are whole and halves, hence exact in float64 up to 2^52 pairs.
    """
    num_ranks = int(rank.max()) + 1
    keys, which = np.unique(group * num_ranks + rank, return_inverse=True)  # by group, then by score
    positive, negative = (np.bincount(which, weights).astype(np.float64) for weights in (positive, negative))
    groups = keys // num_ranks
    first = np.searchsorted(groups, groups)  # of every key's group
    before = np.cumsum(negative) - negative
    won = positive @ (before - before[first] + negative / 2)
    pairs = np.bincount(groups, positive) @ np.bincount(groups, negative)
    return float(won), float(pairs)
