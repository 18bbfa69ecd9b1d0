"""Intervals by bootstrap over videos or recordings: what others of the same kinds might have given."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NUM_RESAMPLES = 2000
CONFIDENCE_PERCENT = 95


class Bounded(NamedTuple):
    """A measure within [0, 1], and its interval at 95 % confidence."""

    value: float
    low: float
    high: float


def draw_videos(is_anomalous: NDArray[np.bool_], *, seed: int = 0) -> NDArray[np.float64]:
    """How often each video is drawn, with replacement, as many normal and as many anomalous ones as there are.

    So many of each kind, or the share of anomalous ones, which is the chance level of AP, would vary.

    Args:
        is_anomalous: [V], by label.
        seed: of the draws.

    Returns:
        [1 + 2000, V]; in the first row every video is drawn once.
    """
    random = np.random.default_rng(seed)
    times_drawn = np.ones((1 + NUM_RESAMPLES, len(is_anomalous)))
    for kind in (True, False):
        own = np.flatnonzero(is_anomalous == kind)
        if len(own):
            times_drawn[1:, own] = random.multinomial(len(own), np.full(len(own), 1 / len(own)), size=NUM_RESAMPLES)
    return times_drawn


def draw_groups(groups: Sequence[str], is_anomalous: NDArray[np.bool_], *, seed: int = 0) -> NDArray[np.float64]:
    """How often each video is drawn where whole groups are, with replacement, as many as there are.

    Videos of one recording are alike: drawn one by one, they would make an interval too narrow.

    Args:
        groups: of each video, [V].
        is_anomalous: [V], by label; both kinds occur.
        seed: of the draws.

    Returns:
        [1 + R, V]; in the first row every video is drawn once. R is 2000 less the draws without one of the kinds.
    """
    names, members = np.unique(np.array(groups), return_inverse=True)
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=NUM_RESAMPLES)
    times_drawn = np.vstack([np.ones(len(names)), draws])[:, members].astype(np.float64)
    has_both = (times_drawn[:, is_anomalous] > 0).any(axis=1) & (times_drawn[:, ~is_anomalous] > 0).any(axis=1)
    return times_drawn[has_both]


def bound(values: NDArray[np.float64]) -> Bounded:
    """The first value, and the middle 95 % of the others; NaN among them, of draws without one, are left out."""
    tail = (100 - CONFIDENCE_PERCENT) / 2
    low, high = np.nanpercentile(values[1:], [tail, 100 - tail])
    return Bounded(float(values[0]), float(low), float(high))
