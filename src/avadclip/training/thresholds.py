"""The two scores from which an event counts and from which it alarms."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from avadclip.events import Thresholds

DETECTION_PRECISION, ALERT_PRECISION = 0.75, 0.9  # share of anomalous videos among those at or above the threshold


def choose_thresholds(anomalous: NDArray[np.int64], scores: NDArray[np.float64]) -> Thresholds:
    """The lowest scores with the wanted precisions, on videos the network was not trained on.

    Not the best F1: validation sets hold about as many anomalous videos as normal ones, and next to no minute of real
    video is anomalous. Where no score is precise enough for an alarm, there is none; where none is precise enough for
    a detection, the highest one stands.

    Args:
        anomalous: [N] in {0, 1}, at least one of each.
        scores: one per video, [N], within [0, 1].
    """
    precision, _, candidates = precision_recall_curve(anomalous, scores)
    precise = [candidates[precision[:-1] >= wanted] for wanted in (DETECTION_PRECISION, ALERT_PRECISION)]
    detection, alert = (float(found.min()) if len(found) else None for found in precise)
    return Thresholds(detection=float(scores.max()) if detection is None else detection, alert=alert)
