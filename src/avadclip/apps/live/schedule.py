"""Weekly schedule of a camera's events, with periods such as `mon-fri 22:00-06:00`."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = time()
_PERIOD = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?)?\s*(?:(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d))?", re.IGNORECASE
)


@dataclass(frozen=True)
class Period:
    """Weekdays with a time range; an end at or before the start is on the next day."""

    days: frozenset[int]
    """0 is Monday."""
    start: time
    end: time

    def covers(self, moment: datetime) -> bool:
        """Whether a local time is within the period, [start, end)."""
        now = moment.time()
        if self.start < self.end:
            return moment.weekday() in self.days and self.start <= now < self.end
        began_today = moment.weekday() in self.days and now >= self.start
        began_yesterday = (moment - timedelta(days=1)).weekday() in self.days and now < self.end
        return began_today or began_yesterday


def parse_period(text: str) -> Period:
    """Parse `mon-fri 22:00-06:00`, `sat-sun` or `08:00-18:00`; raises PydanticCustomError."""
    match = _PERIOD.fullmatch(text.strip())
    try:
        if match is None or not text.strip():
            raise ValueError
        first = DAYS.index(match["first"].lower()) if match["first"] else 0
        last = DAYS.index(match["last"].lower()) if match["last"] else first if match["first"] else 6
        start = time.fromisoformat(match["start"]) if match["start"] else MIDNIGHT
        end = time.fromisoformat(match["end"]) if match["end"] else MIDNIGHT
    except ValueError:
        raise PydanticCustomError(
            "period", "needed days, hours or both, as in `mon-fri 22:00-06:00`, `sat-sun` or `08:00-18:00`"
        ) from None
    days = frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))
    return Period(days, start, end)


def parse_schedule(texts: tuple[str, ...]) -> tuple[Period, ...]:
    """Parse every period; raises PydanticCustomError."""
    return tuple(parse_period(text) for text in texts)


def _checked(texts: tuple[str, ...]) -> tuple[str, ...]:
    parse_schedule(texts)
    return texts


Schedule = Annotated[tuple[str, ...], AfterValidator(_checked)]
"""Periods as a user writes them."""


def is_due(schedule: tuple[Period, ...], moment: datetime) -> bool:
    """Whether events are sent at this local time; an empty schedule means always."""
    return not schedule or any(period.covers(moment) for period in schedule)
