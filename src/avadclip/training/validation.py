"""Video-level AP on validation: by it the best epoch is chosen, and a student compared with its teacher."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from avadclip.data.bags import Bag
from avadclip.inference.scoring import score_features
from avadclip.model.base import System
from avadclip.model.losses import topk_mean


class Validation:
    """Validation videos, and the scores of the network that was measured last.

    Args:
        bags: any number of any kinds; no AP where they are all normal or all anomalous.
        teacher: of the networks measured, where they have one.
    """

    def __init__(self, bags: Sequence[Bag], teacher: System | None) -> None:
        self.scores: NDArray[np.float64] | None = None
        """One per video; None where there is no AP, or nothing was measured yet."""
        self._bags = bags
        self._teacher = teacher

    def measure(self, network: System) -> float | None:
        """The network's AP."""
        if len({bag.is_anomalous for bag in self._bags}) < 2:
            return None
        self.scores = video_scores(network, self._bags)
        return _average_precision(self._bags, self.scores)

    def lead_over_teacher(self) -> float | None:
        """AP of the network measured last, less its teacher's, over the videos with sound; None where one has none."""
        if self.scores is None or self._teacher_ap is None:
            return None
        own = _average_precision(self._audible, self.scores[[bag.stored.has_usable_sound for bag in self._bags]])
        return own - self._teacher_ap

    @property
    def _audible(self) -> list[Bag]:
        return [bag for bag in self._bags if bag.stored.has_usable_sound]

    @cached_property
    def _teacher_ap(self) -> float | None:
        if self._teacher is None or len({bag.is_anomalous for bag in self._audible}) < 2:
            return None
        return _average_precision(self._audible, video_scores(self._teacher, self._audible))


def video_scores(network: System, bags: Sequence[Bag]) -> NDArray[np.float64]:
    """One score per video, the mean of its top-k snippets as in training, [N]."""
    scores = []
    for bag in bags:
        rows = torch.from_numpy(score_features(network, bag.load()).anomaly_scores)[None, :, None]
        scores.append(topk_mean(rows, torch.ones(rows.shape[:2], dtype=torch.bool)).item())
    return np.array(scores)


def _average_precision(bags: Sequence[Bag], scores: NDArray[np.float64]) -> float:
    return float(average_precision_score([bag.is_anomalous for bag in bags], scores))
