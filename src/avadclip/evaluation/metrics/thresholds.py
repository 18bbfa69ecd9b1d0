"""Thresholds from watched footage: from a rate of false alarms that one can live with, or from annotated events."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, gammaincinv
from sklearn.metrics import precision_recall_curve

from avadclip.evaluation.metrics.alarms import ALARM_SECONDS, ROUNDING, Footage, find_alarms
from avadclip.events import Thresholds

MOST_PER_HOUR = 3600 / ALARM_SECONDS  # an alarm that never ends counts this often
ALERT_PRECISION = 0.9  # share of alerts that are right, where events are annotated
CONFIDENCE = 0.95  # of the upper bound of a rate
MAX_CANDIDATES = 1000  # thresholds tried on annotated events: as many ranks of the scores, evenly apart


def thresholds_for_rate(footage: Footage, *, per_hour: float, alerts_per_hour: float) -> Thresholds | None:
    """The lowest thresholds at which, and above which, footage has no more false alarms than wanted.

    Where not even one false alarm is allowed in footage this short, that is just above its highest score.

    Args:
        footage: with some normal time.
        per_hour: false alarms of either severity, above 0 and below MOST_PER_HOUR.
        alerts_per_hour: those of severity `alert`, above 0.

    Returns:
        None where normal footage gets the highest score there is: no threshold within [0, 1] is quiet enough.
    """
    candidates = footage.distinct_scores[::-1]
    detection = _just_above(float(candidates[0]))
    for candidate in candidates.tolist():
        # Not a search by halves: alarms merge as the threshold falls, and their number may fall again.
        if find_alarms(footage, candidate).num_false > per_hour * footage.hours + ROUNDING:
            break
        detection = candidate
    if detection is None:
        return None
    alarms = find_alarms(footage, detection)
    peaks, counts = alarms.peak[~alarms.is_right], alarms.counts[~alarms.is_right]
    quiet = [
        peak for peak in np.unique(peaks) if counts[peaks >= peak].sum() <= alerts_per_hour * footage.hours + ROUNDING
    ]
    if len(quiet) == len(np.unique(peaks)):
        alert: float | None = detection
    else:
        alert = float(quiet[0]) if quiet else _just_above(float(peaks.max()))
    return Thresholds(detection, alert)


def thresholds_for_events(footage: Footage) -> Thresholds:
    """The threshold with the best F1 of time, and the lowest above it at which nine of ten alerts are right.

    Precision is the share of time under alarm that is annotated, recall the share of annotated time under alarm: a
    count of events would be best served by one alarm over everything. Of equally good thresholds the highest; no alert
    where nothing is right so often.

    Args:
        footage: with one stretch at least.
    """
    candidates = footage.distinct_scores
    if len(candidates) > MAX_CANDIDATES:
        candidates = candidates[np.linspace(0, len(candidates) - 1, MAX_CANDIDATES).round().astype(int)]
    best_f1, detection = -1.0, 0.0
    for candidate in candidates.tolist():
        f1 = _time_f1(footage, candidate)
        if f1 >= best_f1:
            best_f1, detection = f1, candidate
    alarms = find_alarms(footage, detection)
    precise = [
        peak for peak in np.unique(alarms.peak) if alarms.is_right[alarms.peak >= peak].mean() >= ALERT_PRECISION
    ]
    return Thresholds(detection, float(precise[0]) if precise else None)


def _time_f1(footage: Footage, threshold: float) -> float:
    """F1 of the time under alarm against the annotated time, which is some."""
    alarms = find_alarms(footage, threshold)
    annotated_seconds = footage.num_positive[-1] / footage.frame_rate_hz
    return float(2 * alarms.shared_seconds.sum() / (alarms.seconds.sum() + annotated_seconds))


def rate_bound(count: int, hours: float) -> float:
    """The rate per hour that this many alarms in this many hours leave possible, at 95 % confidence, one-sided.

    Exact for alarms that come independently of each other (Poisson; Garwood, 1936). No alarm in H hours: 3 / H.
    """
    return float(gammaincinv(count + 1, CONFIDENCE)) / hours


def rate_interval(count: int, hours: float) -> tuple[float, float]:
    """The rates per hour between which this many alarms in this many hours leave it, at 95 % confidence, two-sided.

    Exact for alarms that come independently of each other (Poisson; Garwood, 1936).
    """
    tail = (1 - CONFIDENCE) / 2
    low = float(gammaincinv(count, tail)) if count else 0.0
    return low / hours, float(gammaincinv(count + 1, 1 - tail)) / hours


def share_interval(count: int, total: int) -> tuple[float, float]:
    """The shares between which so many of a total leave it, at 95 % confidence, two-sided.

    Exact for trials that are independent of each other (Clopper and Pearson, 1934).
    """
    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high


def _just_above(score: float) -> float | None:
    """The next score in single precision, which networks give; None above 1."""
    above = float(np.nextafter(np.float32(score), np.float32(2)))
    return above if above <= 1 else None


DETECTION_PRECISION, ALERT_PRECISION = 0.75, 0.9  # share of anomalous videos among those at or above the threshold


def choose_thresholds(
    anomalous: NDArray[np.int64], scores: NDArray[np.float64], *, balanced: bool = False
) -> Thresholds:
    """The lowest scores with the wanted precisions, on videos the network was not trained on.

    Not the best F1: validation sets hold about as many anomalous videos as normal ones, and next to no minute of real
    video is anomalous. Where no score is precise enough for an alarm, there is none; where none is precise enough for
    a detection, the highest one stands.

    Args:
        anomalous: [N] in {0, 1}, at least one of each.
        scores: one per video, [N], within [0, 1].
        balanced: count as if there were as many normal videos as anomalous ones; where most are anomalous, a threshold
            that everything reaches would be precise.
    """
    weights = (len(anomalous) / np.bincount(anomalous, minlength=2))[anomalous] if balanced else None
    precision, _, candidates = precision_recall_curve(anomalous, scores, sample_weight=weights)
    precise = [candidates[precision[:-1] >= wanted] for wanted in (DETECTION_PRECISION, ALERT_PRECISION)]
    detection, alert = (float(found.min()) if len(found) else None for found in precise)
    return Thresholds(detection=float(scores.max()) if detection is None else detection, alert=alert)
