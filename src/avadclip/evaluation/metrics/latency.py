"""AP that asks for early alarms: anomalous frames late in an interval count only if it was found in time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score


def latency_average_precision(
    scores: NDArray[np.floating], is_positive: Sequence[NDArray[np.bool_]], *, num_early: Sequence[float]
) -> list[float] | None:
    """AP(d) of frames, for several d.

    At a threshold, an anomalous frame is found if its score reaches it; and, if it is more than d after the first frame
    of its stretch of anomalous frames, only if a frame of the stretch's first d has reached it too. Otherwise it counts
    as missed, and not as a false one. So each later frame gets the lower of its own score and the highest score of
    the first d, and AP(d) is the AP of these scores. At no threshold is precision or recall higher than without the
    rule, and with a d as long as the longest stretch AP(d) is the AP. Where precision rises as the threshold falls,
    as with scores that are worse than random at the top, AP(d) may exceed the AP.

    It is meant for causal scores, which depend on the past alone. A row's score counts for each of its frames,
    though it is known only at the row's end.

    Args:
        scores: [N], of all rows of all videos, in order; any monotonous scale.
        is_positive: per video [F], the anomalous frames; every row stands for the same number of them.
        num_early: d, in frames; above 0.

    Returns:
        One value per d, within [0, 1]; None where the frames are all normal or all anomalous.
    """
    truth = np.concatenate(is_positive)
    if truth.all() or not truth.any():
        return None
    frames_per_row = len(truth) // len(scores)
    is_first = truth & ~np.concatenate([np.append(False, frames[:-1]) for frames in is_positive])
    found = np.flatnonzero(truth)  # [P]
    stretch = np.cumsum(is_first[found]) - 1  # [P]
    first = np.flatnonzero(is_first[found])  # [S], positions in `found`
    offset = found - found[first][stretch]  # [P], frames since the start of the stretch
    of_positive = scores[found // frames_per_row]
    num_normal = frames_per_row - truth.reshape(-1, frames_per_row).sum(axis=1)
    normal_scores, num_normal = scores[num_normal > 0], num_normal[num_normal > 0]
    labels = np.repeat([1, 0], [len(found), len(num_normal)])
    weights = np.concatenate([np.ones(len(found)), num_normal])
    values = []
    for num in num_early:
        is_early = offset < num
        best_early = np.maximum.reduceat(np.where(is_early, of_positive, -np.inf), first)  # [S]
        in_time = np.where(is_early, of_positive, np.minimum(of_positive, best_early[stretch]))
        values.append(
            float(average_precision_score(labels, np.concatenate([in_time, normal_scores]), sample_weight=weights))
        )
    return values
