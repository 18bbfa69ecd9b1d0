import re

import pytest

from avadclip.data.bags import Interval
from avadclip.data.event_times import TimedEvent, check_event_times
from avadclip.errors import DataError


def event(start: float, end: float, *, length: float = 10.0, row: int = 2) -> TimedEvent:
    return TimedEvent(Interval("riot", start, end), "a.mp4", f"labels.csv:{row}", length)


@pytest.mark.parametrize(("start", "end"), [(0, 10), (9.9, 10.04), (9, 11), (0, 0.1)])
def test_an_event_in_its_video_may_end_a_rounding_late(start: float, end: float) -> None:
    check_event_times([event(start, end)])


@pytest.mark.parametrize(
    ("start", "end", "length", "unit"),
    [
        (15, 45, 2, "frame numbers (divide"),
        (30, 90, 60, "frame numbers (divide"),  # starts inside
        (120, 280, 4.9, "frame numbers (divide them by the video's frame rate) or milliseconds (divide"),
        (500, 1500, 2, "milliseconds (divide"),
        (12_500, 31_250.5, 60, "milliseconds (divide"),
        (10, 12.5, 10, "times of a longer recording"),
        (61.5, 70.25, 10, "times of a longer recording"),
        (1_700_000_000, 1_700_000_004, 10, "times of a longer recording"),
    ],
)
def test_a_row_outside_is_named_with_the_probable_unit(start: float, end: float, length: float, unit: str) -> None:
    with pytest.raises(DataError) as caught:
        check_event_times([event(0, 1, length=length), event(start, end, length=length, row=3)])
    found = f"labels.csv:3: a.mp4 has an event from {start} to {end} s, but ends at {length:.2f} s (1 of 2 events are"
    assert str(caught.value).startswith(found)
    assert re.search(
        f"; these may be {re.escape(unit)}.*; needed seconds from the start of this video$", str(caught.value)
    )


def test_one_odd_time_excludes_frames() -> None:
    with pytest.raises(DataError, match="these may be times of a longer recording"):
        check_event_times([event(15, 45, length=2), event(10.5, 60, length=2)])
