"""A control: every score replaced by its video's mean, so that nothing is left but which videos are anomalous."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NO_MARGIN = 1e-9  # over chance: rounding


def video_means(curves: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """The mean score of every video, [V], from one array [T] per video."""
    return np.array([_mean(curve.astype(np.float64)) for curve in curves])


def _mean(curve: NDArray[np.float64]) -> float:
    # From the lowest up: the mean of a constant curve is this constant exactly, and ties between videos stay ties.
    lowest = curve.min()
    return float(lowest + (curve - lowest).mean())


def kept_share(value: float | None, control: float | None, chance: float) -> float | None:
    """The share of the margin over chance that the control keeps: (control - chance) / (value - chance).

    Above 1 where the control is better; below 0 where it is worse than chance.

    Args:
        value: AP or ROC AUC.
        control: the same with every score replaced by its video's mean.
        chance: the same of a random score: the share of positives for AP, 0.5 for ROC AUC.

    Returns:
        None where a measure is undefined, or is not above chance: there is no margin to keep.
    """
    if value is None or control is None or value - chance <= NO_MARGIN:
        return None
    return (control - chance) / (value - chance)
