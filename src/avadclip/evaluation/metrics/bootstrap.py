"""Intervals by bootstrap over videos: what other videos of the same kinds might have given."""

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


def bound(values: NDArray[np.float64]) -> Bounded:
    """The first value, and the middle 95 % of the others; NaN among them, of draws without one, are left out."""
    tail = (100 - CONFIDENCE_PERCENT) / 2
    low, high = np.nanpercentile(values[1:], [tail, 100 - tail])
    return Bounded(float(values[0]), float(low), float(high))
