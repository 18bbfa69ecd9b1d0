"""Frame-level measures of one anomaly score, over the frames of all videos together."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score


class FrameMeasures(NamedTuple):
    """Within [0, 1]; None where the frames are all normal or all anomalous, which no ranking can be judged on."""

    average_precision: float | None
    """The frame AP of the papers; scikit-learn's step-wise sum."""
    pr_auc: float | None
    """Area under the same curve by trapezoids, as several rival systems report it: another number."""
    roc_auc: float | None


def frame_measures(scores: NDArray[np.floating], num_positive: ArrayLike, num_frames: ArrayLike) -> FrameMeasures:
    """Measure snippet scores against frame truth; a snippet's score counts for each of its frames.

    Exactly equal to repeating every score: the frames enter as whole-number weights, two rows a snippet at most.

    Args:
        scores: [N], of all snippets of all videos; any monotonous scale.
        num_positive: [N], how many of the snippet's frames are anomalous.
        num_frames: [N] or one number, how many frames the snippet stands for; 16, CCTV-Fights 4.
    """
    positive = np.asarray(num_positive)
    negative = np.asarray(num_frames) - positive
    if not np.isfinite(scores).all() or scores.shape != positive.shape or (positive < 0).any() or (negative < 0).any():
        raise ValueError("scores must be finite, one per snippet, with 0 .. num_frames positive frames each")
    if not positive.any() or not negative.any():
        return FrameMeasures(None, None, None)
    truth, twice, weights = _weighted(scores, positive, negative)
    precision, recall, _ = precision_recall_curve(truth, twice, sample_weight=weights)
    return FrameMeasures(
        average_precision=float(average_precision_score(truth, twice, sample_weight=weights)),
        pr_auc=float(auc(recall, precision)),
        roc_auc=float(roc_auc_score(truth, twice, sample_weight=weights)),
    )


def frame_auc(
    scores: NDArray[np.floating], num_positive: NDArray[np.integer], num_normal: NDArray[np.integer]
) -> float | None:
    """ROC AUC of the anomalous frames against some of the normal ones; None where there are none of either.

    Args:
        scores: [N], of snippets.
        num_positive: [N], how many of the snippet's frames are anomalous.
        num_normal: [N], how many of its normal frames count.
    """
    if not num_positive.any() or not num_normal.any():
        return None
    truth, twice, weights = _weighted(scores, num_positive, num_normal)
    return float(roc_auc_score(truth, twice, sample_weight=weights))


def _weighted(
    scores: NDArray[np.floating], positive: NDArray[np.integer], negative: NDArray[np.integer]
) -> tuple[NDArray[np.intp], NDArray[np.floating], NDArray[np.integer]]:
    """Truth, score and number of frames; a row each for a snippet's anomalous and normal frames, where it has some."""
    weights = np.concatenate([positive, negative])
    kept = weights > 0
    return np.repeat([1, 0], len(scores))[kept], np.concatenate([scores, scores])[kept], weights[kept]
