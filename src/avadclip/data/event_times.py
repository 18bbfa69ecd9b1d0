"""Annotated times against the lengths of their videos: an event after the end is a mistake in the unit or the video."""

from collections.abc import Sequence
from typing import NamedTuple

from avadclip.data.bags import Interval
from avadclip.errors import DataError

ROUNDING_SECONDS = 1.0  # that an event may end late: times are often written in whole seconds
COMMON_RATE_HZ, HIGHEST_RATE_HZ = 33.0, 66.0  # of most videos, 30 and 60, and a tenth for lengths that are not exact
MILLISECONDS = 1000.0  # in a second


class TimedEvent(NamedTuple):
    """An annotated event and the video that it has to lie in."""

    interval: Interval
    video: str
    origin: str
    """Location of the row, for messages: `labels.csv:7`."""
    end_seconds: float
    """Of the video."""

    @property
    def is_outside(self) -> bool:
        """Whether it starts at the video's end or later, or ends later by more than a rounding."""
        _, start, end = self.interval
        return start >= self.end_seconds or end > self.end_seconds + ROUNDING_SECONDS


def check_event_times(events: Sequence[TimedEvent]) -> None:
    """Raise DataError, with the row and the probable unit, where an event does not lie in its video."""
    outside = [event for event in events if event.is_outside]
    if not outside:
        return
    (_, start, end), video, origin, end_seconds = outside[0]
    number = f" ({len(outside)} of {len(events)} events are outside their videos)" if len(events) > 1 else ""
    raise DataError(
        f"{origin}: {video} has an event from {start:.10g} to {end:.10g} s, but ends at {end_seconds:.2f} s{number}; "
        f"{_guess(outside)}"
    )


def _guess(outside: Sequence[TimedEvent]) -> str:
    """Which unit the times may be in, by how far they are outside, and what to do."""
    ratio = max(event.interval.end / event.end_seconds for event in outside)
    is_whole = all(float(time).is_integer() for event in outside for time in event.interval[1:])
    units = []
    if is_whole and ratio <= HIGHEST_RATE_HZ:
        units.append("frame numbers (divide them by the video's frame rate)")
    if COMMON_RATE_HZ < ratio <= 1.1 * MILLISECONDS:
        units.append("milliseconds (divide them by 1000)")
    guess = " or ".join(units) or "times of a longer recording"
    return f"these may be {guess}; needed seconds from the start of this video"
