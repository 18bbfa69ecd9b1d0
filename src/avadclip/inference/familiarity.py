"""How far a video is from the footage that a model was trained on.

Of a snippet's visual features x, with the `mean` and `deviation` of the training snippets and the `directions` B along
which they vary most (orthonormal rows, a principal component analysis),

    z = (x / |x| - mean) / deviation
    distance = sqrt(mean over channels of (z - B^T B z)^2)

What varies in training does not count, what hardly did counts. A video's distance is the mean over its snippets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avadclip.errors import FeatureError
from avadclip.features.snippets import SnippetFeatures

LIMIT_QUANTILE = 0.95  # so one of twenty videos like the training footage is called unlike it
NUM_FOLDS = 5
MOST_DIRECTIONS = 32  # and at most a quarter of the channels
FLOOR = 0.1  # of the mean deviation, added to each: a channel that training never moved does not decide alone
FITTED_SNIPPETS = 8  # of a video: long ones do not outweigh the others
MEASURED_SNIPPETS = 256  # of a video, evenly spaced: hours of it need no more memory


@dataclass(frozen=True)
class Familiarity:
    """Statistics of the training footage, and the distance from which a video is unlike it."""

    mean: NDArray[np.float32]
    """[D], of the features at unit length."""
    deviation: NDArray[np.float32]
    """[D], above 0."""
    directions: NDArray[np.float32]
    """[k, D], orthonormal rows."""
    limit: float
    """The 95 % quantile of the distances of training videos, each from statistics without its own group."""

    @classmethod
    def fit(cls, videos: Sequence[SnippetFeatures], groups: Sequence[str]) -> Self:
        """Statistics of training videos, by their first crop.

        Args:
            videos: their features, of one encoder.
            groups: for each video the recording it comes from. The limit is found in five folds of whole groups.

        Raises:
            FeatureError: fewer than two groups, so that no video is without its own in the statistics.
        """
        names = sorted(set(groups))
        if len(names) < 2:
            raise FeatureError(
                f"the training footage has {len(names)} recording, needed 2 or more to tell unlike videos"
            )
        distances: list[float] = []
        for first in range(min(NUM_FOLDS, len(names))):
            held_out = set(names[first::NUM_FOLDS])
            rest = cls._describe([video for video, group in zip(videos, groups, strict=True) if group not in held_out])
            distances += [
                rest.distance(video) for video, group in zip(videos, groups, strict=True) if group in held_out
            ]
        return replace(cls._describe(videos), limit=float(np.quantile(distances, LIMIT_QUANTILE)))

    @classmethod
    def _describe(cls, videos: Sequence[SnippetFeatures]) -> Self:
        """The statistics, still without a limit."""
        rows = np.concatenate([_unit_rows(video, FITTED_SNIPPETS) for video in videos])
        mean, deviation = rows.mean(axis=0), rows.std(axis=0)
        deviation += FLOOR * deviation.mean() + np.finfo(np.float32).tiny
        _, sizes, directions = np.linalg.svd((rows - mean) / deviation, full_matrices=False)
        num = min(MOST_DIRECTIONS, len(mean) // 4, np.count_nonzero(sizes > 1e-6 * sizes.max()))
        mean, deviation, directions = (part.astype(np.float32) for part in (mean, deviation, directions[:num]))
        return cls(mean, deviation, directions, limit=np.inf)

    def distance(self, features: SnippetFeatures) -> float:
        """The video's distance by its first crop, 0 or more; within the training it is about 1 or less."""
        standard = (_unit_rows(features, MEASURED_SNIPPETS) - self.mean) / self.deviation
        rest = standard - standard @ self.directions.T @ self.directions
        return float(np.sqrt(np.square(rest).mean(axis=1)).mean())

    def notes(self, features: SnippetFeatures) -> list[str]:
        """One sentence for the result of a video whose distance is above the limit; else none."""
        distance = self.distance(features)
        if distance <= self.limit:
            return []
        return [
            f"unlike the footage this model was trained on (distance {distance:.2f}, limit {self.limit:.2f}): "
            "its scores mean less here, and no event is called an alert"
        ]

    def tensors(self) -> dict[str, Tensor]:
        """Its parts by name, for a checkpoint."""
        return {part.name: torch.tensor(getattr(self, part.name)) for part in fields(self)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], *, width: int) -> Self:
        """The parts that `tensors` gave; ValueError where they do not fit together or features so wide."""
        num = len(tensors["directions"]) if tensors.get("directions", torch.tensor(0)).ndim else 0
        needed = {"mean": [width], "deviation": [width], "directions": [num, width], "limit": []}
        found = {name: list(tensor.shape) for name, tensor in tensors.items()}
        if found != needed:
            raise ValueError(f"shapes {found}, needed {needed}")
        parts = {name: tensor.float().numpy() for name, tensor in tensors.items()}
        if not all(np.isfinite(part).all() for part in parts.values()):
            raise ValueError("a number is not finite")
        if not (parts["deviation"] > 0).all():
            raise ValueError("a deviation is not above 0")
        return cls(parts["mean"], parts["deviation"], parts["directions"], limit=float(parts["limit"]))


def _unit_rows(features: SnippetFeatures, most: int) -> NDArray[np.float64]:
    """At most so many snippets of the first crop, evenly spaced, each at unit length, [N, D]."""
    chosen = np.linspace(0, len(features) - 1, min(most, len(features))).round().astype(int)
    rows = features.visual[0, chosen].astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units: NDArray[np.float64] = rows / np.where(lengths > 0, lengths, 1.0)
    return units
