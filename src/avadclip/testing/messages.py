"""Messages of a watch of one camera that saw nothing."""

from collections.abc import Iterator
from typing import Literal

from avadclip.apps.live.messages import EventMessage, LiveEvent, Message, ScoreMessage, StatsMessage, StatusMessage

CAMERA = "yard"
START = 1_767_614_400.0  # Unix seconds; any time


def event_message(kind: Literal["new", "update", "end"], event: int, number: int) -> EventMessage:
    """The message of this number about this event."""
    start = START + 60 * event
    after = LiveEvent(
        id=f"{CAMERA}-{round(1000 * start)}",
        source=CAMERA,
        label="fighting",
        score=min(0.5 + number / 100, 1.0),
        start=start,
        end=start + 2.0 if kind == "end" else None,
        severity="alert",
        modality="visual",
        model="none",
        threshold=0.5,
        sound_gain=None,
    )
    return EventMessage(type=kind, id=f"{after.id}.{number}", before=None if number == 0 else after, after=after)


def messages_of_all_kinds() -> Iterator[Message]:
    """One message of each kind, and of each type about an event."""
    yield StatusMessage(camera=CAMERA, time=START, state="online", reason="64x48, no sound")
    yield ScoreMessage(camera=CAMERA, start=START, end=START + 1, score=0.5, network="teacher", delay_seconds=0.1)
    yield StatsMessage(time=START, memory_bytes=1, cameras={}, sinks={})
    yield event_message("new", 0, 0)
    yield event_message("update", 0, 1)
    yield event_message("end", 0, 2)
