"""Measures of a score's value, not only of its ranking: calibration error, F1 at a threshold chosen elsewhere."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import precision_recall_curve

CALIBRATION_BINS = 15  # of equal width over [0, 1]; Guo et al., 2017, "On Calibration of Modern Neural Networks"


def calibration_error(scores: NDArray[np.floating], num_positive: ArrayLike, num_frames: ArrayLike) -> float:
    """Expected calibration error: how far scores are from the share of anomalous frames among frames so scored.

    sum over 15 bins of equal width of (share of all frames in the bin) * |mean score - share of positive frames|; the
    last bin holds 1. Every frame has its snippet's score.

    Args:
        scores: [N], within [0, 1].
        num_positive: [N], how many of the snippet's frames are anomalous.
        num_frames: [N] or one number, how many frames the snippet stands for.
    """
    if scores.min() < 0 or scores.max() > 1:
        raise ValueError("scores must be within [0, 1]")
    frames = np.broadcast_to(np.asarray(num_frames, dtype=np.float64), scores.shape)
    which = np.minimum((scores * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)
    # Per bin: summed score minus positive frames; divided by all frames this is share times difference of means.
    difference = np.bincount(which, frames * scores - np.asarray(num_positive), minlength=CALIBRATION_BINS)
    return float(np.abs(difference).sum() / frames.sum())


def best_f1_threshold(scores: NDArray[np.floating], num_positive: ArrayLike, num_frames: ArrayLike) -> float | None:
    """The score from which calling frames anomalous gives the best F1; of several the highest.

    To be chosen on validation and applied to test, by f1_at. Arguments as for f1_at.

    Returns:
        None where no frame is anomalous.
    """
    positive = np.asarray(num_positive)
    if not positive.any():
        return None
    truth = np.repeat([1, 0], len(scores))
    weights = np.concatenate([positive, np.asarray(num_frames) - positive])
    precision, recall, thresholds = precision_recall_curve(
        truth, np.concatenate([scores, scores]), sample_weight=weights
    )
    # The curve's last point stands for no frame at all and has no threshold.
    f1 = 2 * precision[:-1] * recall[:-1] / np.maximum(precision[:-1] + recall[:-1], np.finfo(float).tiny)
    as_good = np.isclose(f1, f1.max(), rtol=1e-12, atol=0.0)  # equal quotients may differ in the last bit
    return float(thresholds[np.flatnonzero(as_good)[-1]])


def f1_at(
    threshold: float, scores: NDArray[np.floating], num_positive: ArrayLike, num_frames: ArrayLike
) -> float | None:
    """F1 of calling every frame anomalous whose score reaches the threshold; None where no frame is anomalous.

    Args:
        threshold: an anomaly score.
        scores: [N], any scale. Frames, or with `num_frames` 1 whole videos.
        num_positive: [N], how many of the snippet's frames are anomalous.
        num_frames: [N] or one number, how many frames the snippet stands for.
    """
    positive = np.asarray(num_positive)
    if not positive.any():
        return None
    called = scores >= threshold
    num_called = np.broadcast_to(np.asarray(num_frames), scores.shape)[called].sum()
    return float(2 * positive[called].sum() / (num_called + positive.sum()))
