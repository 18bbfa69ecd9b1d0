"""What is annotated, and scores beside it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.evaluation.metrics.intervals import TruthInterval

Curves = Sequence[NDArray[np.floating]]
"""One array per video."""


class VideoTruth(NamedTuple):
    """What is annotated in the scored frames of one video."""

    intervals: tuple[TruthInterval, ...]
    """In whole frames, not clipped; a normal video has one of `normal` over its length."""
    is_positive: NDArray[np.bool_]
    """[F], anomalous frames."""
    is_hard: bool = False
    """Whether it is a normal video that the user wants measured apart."""

    @property
    def is_anomalous(self) -> bool:
        """By label, whether the events lie in the scored frames or not."""
        return any(interval.class_index for interval in self.intervals)

    def num_positive(self, frames_per_row: int) -> NDArray[np.intp]:
        """Anomalous frames in every row of scores, [F / frames_per_row]."""
        counts: NDArray[np.intp] = self.is_positive.reshape(-1, frames_per_row).sum(axis=1)
        return counts


class ScoredFrames(NamedTuple):
    """Scores of one head beside the truth, of all videos together; N rows, each for as many frames."""

    scores: NDArray[np.floating]
    """[N], any scale."""
    num_positive: NDArray[np.intp]
    """[N], how many of the row's frames are anomalous."""
    frames_per_row: int
    video: NDArray[np.intp]
    """[N], index of the row's video."""

    @property
    def positive_share(self) -> float:
        """Of all frames."""
        return int(self.num_positive.sum()) / (len(self.scores) * self.frames_per_row)

    @property
    def are_shares(self) -> bool:
        """Whether all scores are within [0, 1]."""
        return bool(self.scores.min() >= 0 and self.scores.max() <= 1)


def join_frames(curves: Curves, truths: Sequence[VideoTruth]) -> ScoredFrames:
    """Scores [T] and truth of every video, one after the other."""
    scores = np.concatenate(curves)
    frames_per_row = sum(len(truth.is_positive) for truth in truths) // len(scores)
    return ScoredFrames(
        scores,
        np.concatenate([truth.num_positive(frames_per_row) for truth in truths]),
        frames_per_row,
        np.repeat(np.arange(len(curves)), [len(curve) for curve in curves]),
    )
