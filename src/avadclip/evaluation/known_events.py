"""What a network finds, at its thresholds, of what a person marked: a recall that says how far it can be trusted."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from avadclip.evaluation.metrics.alarms import Watched, find_alarms, join_videos
from avadclip.evaluation.metrics.thresholds import share_interval
from avadclip.events import Thresholds

KnownKind = Literal["events", "videos"]
"""What was marked: events with times, or anomalous videos without."""


class KnownFound(NamedTuple):
    """Marked events, or whole marked videos, and how many of them a network finds."""

    what: KnownKind
    """A video is found by any alarm in it."""
    num: int
    """One at least. Of events, touching ones count as one."""
    num_found: int
    """That an alarm overlaps."""
    num_alerted: int
    """That an alarm would overlap were the alert threshold the only one."""
    low: float
    """Of the 95 % interval of the share found, if marks are independent."""
    high: float
    highest_score: float
    """Of all snippets of all of them; no threshold above it finds any."""


def measure_known(pieces: Sequence[Watched], thresholds: Thresholds, what: KnownKind) -> KnownFound:
    """Count the marked stretches that alarms of detection's default rules overlap.

    Args:
        pieces: scored footage with one stretch at least, on which the thresholds need not have been chosen. All
            frames of a video without times are positive: it is one stretch.
        thresholds: of the network that scored.
        what: the stretches are.
    """
    footage = join_videos(pieces)
    found = find_alarms(footage, thresholds.detection).num_found
    alerted = 0 if thresholds.alert is None else find_alarms(footage, thresholds.alert).num_found
    low, high = share_interval(found, footage.num_stretches)
    highest = max(float(footage.scores[start:stop].max()) for start, stop in footage.stretch_rows)
    return KnownFound(what, footage.num_stretches, found, alerted, low, high, highest)
