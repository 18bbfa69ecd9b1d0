"""Named sounds as people read them, and the rows of a lane of sounds."""

from collections.abc import Iterable, Sequence

from avadclip.events import BaseEvent, NamedSound
from avadclip.inference.named_sounds import short_sound_name
from avadclip.report.words import clock, printable

MAX_ROWS = 8  # of a lane; as in page/sounds.js


def event_mark(event: BaseEvent) -> str:
    """`alert` or `detection`; `sound` for an event of a named sound alone."""
    return "sound" if event.kind == "sound" else event.severity


def sound_names(sounds: Iterable[NamedSound]) -> str:
    """`speech, gunshot`."""
    return ", ".join(printable(short_sound_name(sound.name)) for sound in sounds)


def describe_sound(sound: NamedSound) -> str:
    """`Glass 0.71 0:14.0-0:15.3`."""
    times = f"{clock(sound.start, decimals=1)}-{clock(sound.end, decimals=1)}"
    return f"{printable(sound.name)} {sound.probability:.2f} {times}"


def rows_by_name(sounds: Sequence[NamedSound]) -> dict[str, list[NamedSound]]:
    """The stretches of the MAX_ROWS most probable names, the most probable name first."""
    ranked = sorted(sounds, key=lambda sound: (-sound.probability, sound.name))
    names = list(dict.fromkeys(sound.name for sound in ranked))[:MAX_ROWS]
    return {name: [sound for sound in sounds if sound.name == name] for name in names}
