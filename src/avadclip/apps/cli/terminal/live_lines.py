"""The messages of a watch as lines for people."""

from datetime import datetime

from avadclip.apps.live.messages import EventMessage, Message, ScoreMessage, StatsMessage, StatusMessage
from avadclip.report.words import printable

_WORDS = {"new": "began", "update": "goes on", "end": "ended"}


def live_line(message: Message) -> str | None:
    """One line without control characters; None where there is nothing to report."""
    match message:
        case EventMessage():
            return _line(message.after.start, message.after.source, *_event_words(message))
        case StatusMessage():
            waiting = f"({message.undelivered} messages undelivered)" if message.undelivered else ""
            return _line(message.time, message.camera, f"{message.state}: {message.reason}", waiting)
        case ScoreMessage():
            return _line(message.start, message.camera, f"score {message.score:.2f}", message.network)
        case StatsMessage():
            return _undelivered_line(message)


def _event_words(message: EventMessage) -> list[str]:
    event = message.after
    sounds = ", ".join(f"{sound.name} {sound.probability:.2f}" for sound in event.sounds)
    lasted = "" if event.end is None else f" after {event.end - event.start:.1f} s"
    return [
        f"{event.label:<16}",
        f"{event.severity:<9}",
        f"{event.score:.2f}",
        f"{_WORDS[message.type]}{lasted}",
        sounds and f"sounds: {sounds}",
        message.note or "",
    ]


def _undelivered_line(stats: StatsMessage) -> str | None:
    """Which sinks have undelivered messages, and why."""
    behind = [
        f"{name} {sink.waiting}" + (f" (last error: {sink.last_error})" if sink.last_error else "")
        for name, sink in stats.sinks.items()
        if sink.waiting
    ]
    return _line(stats.time, "undelivered", "; ".join(behind)) if behind else None


def _line(time: float, *words: str) -> str:
    """Local time, then the words that are not empty."""
    shown = datetime.fromtimestamp(time).isoformat(sep=" ", timespec="seconds")
    first, *others = words
    return printable("  ".join([shown, f"{first:<12}", *(word for word in others if word)]).rstrip())
