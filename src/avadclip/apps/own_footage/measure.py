"""What the out-of-fold scores of a user's footage show."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from avadclip.data.bags import Bag
from avadclip.evaluation.metrics.bootstrap import Bounded
from avadclip.evaluation.metrics.thresholds import choose_thresholds
from avadclip.evaluation.metrics.videos import video_measures
from avadclip.events import Thresholds

NUM_FOLDS = 5
FEWEST_GROUPS = 5  # with normal, and with anomalous videos; an interval over fewer is no interval
CHANCE = 0.5  # ROC AUC


class Measured(NamedTuple):
    """One network out of fold: every video scored by a network that learned nothing of its recording."""

    network: str
    bags: list[Bag]
    """The videos that it scores, N."""
    curves: list[NDArray[np.float64]]
    """Anomaly scores of every snippet, one array [T] per video."""
    auc: Bounded
    """Of the highest score of each video; the interval is over recordings."""
    thresholds: Thresholds

    @property
    def peaks(self) -> NDArray[np.float64]:
        """The highest score of every video, [N]."""
        return np.array([curve.max() for curve in self.curves])

    @property
    def is_anomalous(self) -> NDArray[np.bool_]:
        """By label, [N]."""
        return np.array([bag.is_anomalous for bag in self.bags])

    @property
    def num_groups(self) -> int:
        """Recordings."""
        return len({bag.group for bag in self.bags})

    @property
    def fewest_groups(self) -> int:
        """Recordings with videos of the rarer kind."""
        return min(len({bag.group for bag in self.bags if bag.is_anomalous == kind}) for kind in (False, True))

    @property
    def is_shown(self) -> bool:
        """Whether the network is better than chance: the whole interval is above it, over enough recordings."""
        return self.auc.low > CHANCE and self.fewest_groups >= FEWEST_GROUPS

    def flagged(self, *, anomalous: bool) -> tuple[int, int]:
        """How many of the anomalous or of the normal videos reach the threshold, and how many there are."""
        own = self.peaks[self.is_anomalous == anomalous]
        return int((own >= self.thresholds.detection).sum()), len(own)

    def videos_to_add(self) -> int | None:
        """About so many more videos, of other recordings, would show an AUC like this; None where it is no guide.

        The interval shrinks with the root of the number of recordings: with G of them and the lower bound w below the
        AUC, it is above chance from G (w / (AUC - .5))^2 on, and from FEWEST_GROUPS of either kind.
        """
        lead = self.auc.value - CHANCE
        if lead <= 0:
            return None
        times = max((self.auc.value - self.auc.low) / lead, 1.0) ** 2
        times = max(times, FEWEST_GROUPS / self.fewest_groups)
        more = max(1.0, (times - 1) * len(self.bags))
        return 5 * math.ceil(round(more / 5, 6))


def divide(bags: Sequence[Bag]) -> list[list[int]]:
    """The videos that each fold holds out, by whole groups, at most 5 folds; none where a kind has one group alone.

    Both kinds are in every part that is learned from. Kinds are spread as evenly as the groups let them.
    """
    kinds = [bag.is_anomalous for bag in bags]
    groups = [bag.group for bag in bags]
    most = min(len({bag.group for bag in bags if bag.is_anomalous == kind}) for kind in (False, True))
    for num_folds in range(min(NUM_FOLDS, most), 1, -1):
        splitter = StratifiedGroupKFold(num_folds, shuffle=True, random_state=0)
        folds = list(splitter.split(kinds, kinds, groups))
        if all(len({kinds[index] for index in learned}) == 2 for learned, _ in folds):
            return [held_out.tolist() for _, held_out in folds]
    return []


def measure(network: str, bags: Sequence[Bag], scores: Mapping[str, Sequence[float]]) -> Measured | None:
    """Measure a network out of fold.

    Args:
        network: its name.
        bags: all videos.
        scores: of every snippet, by the video's name; videos that the network does not score are missing.

    Returns:
        None where it scores videos of one kind alone.
    """
    own = [bag for bag in bags if bag.name in scores]
    is_anomalous = np.array([bag.is_anomalous for bag in own], dtype=bool)
    curves = [np.array(scores[bag.name]) for bag in own]
    peaks = np.array([curve.max() for curve in curves])
    auc = video_measures(peaks, is_anomalous, groups=[bag.group for bag in own]).roc_auc
    if auc is None:
        return None
    return Measured(network, own, curves, auc, choose_thresholds(is_anomalous.astype(np.int64), peaks, balanced=True))
