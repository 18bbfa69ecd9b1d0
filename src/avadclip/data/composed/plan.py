"""The plan of a composed sequence: all that decides its pictures and samples."""

import json
from hashlib import sha256
from typing import Literal, NamedTuple

from avadclip.data.bags import EventKind

COMPOSER_VERSION = 1  # part of every sequence's hash; increased with every change of what a plan or its rendering gives

PictureFault = Literal["dark", "half covered", "blurred", "frozen", "black"]
SoundFault = Literal["noisy", "foreign", "missing"]
PICTURE_FAULTS: tuple[PictureFault, ...] = ("dark", "half covered", "blurred", "frozen")  # that are drawn
SOUND_FAULTS: tuple[SoundFault, ...] = ("noisy", "foreign", "missing")


class Piece(NamedTuple):
    """Snippets [start, end) of the sequence show a recording from its snippet `first` on."""

    recording: str
    first: int
    start: int
    end: int


class Foreground(NamedTuple):
    """The sound of an event or hard negative, over the background in snippets [start, end)."""

    recording: str
    place: float
    """Where the window is cut from a loud part that is longer, in [0, 1)."""
    above_db: float
    start: int
    end: int


class PlannedEvent(NamedTuple):
    """An event in snippets [start, end)."""

    kind: EventKind
    labels: tuple[str, ...]
    """Class of the picture, of the sound, or both: a chance pair."""
    start: int
    end: int


class PictureDamaged(NamedTuple):
    """Damage of the picture in snippets [start, end)."""

    fault: PictureFault
    start: int
    end: int


class SoundDamaged(NamedTuple):
    """Damage of the sound in snippets [start, end)."""

    fault: SoundFault
    donor: str
    """Recording that replaces the sound, where it is foreign."""
    start: int
    end: int


class ShownSnippet(NamedTuple):
    """One snippet of picture."""

    recording: str
    snippet: int
    """Of the recording."""
    fault: PictureFault | None


class SequencePlan(NamedTuple):
    """One sequence; recordings are named by their hash."""

    name: str
    seed: tuple[int, int, int]
    num_snippets: int
    pieces: tuple[Piece, ...]
    background: str
    background_dbfs: float
    foregrounds: tuple[Foreground, ...]
    events: tuple[PlannedEvent, ...]
    picture_damage: PictureDamaged | None
    sound_damage: SoundDamaged | None

    def shown(self) -> list[ShownSnippet]:
        """The picture of every snippet."""
        shown = [
            ShownSnippet(piece.recording, piece.first + number, None)
            for piece in self.pieces
            for number in range(piece.end - piece.start)
        ]
        if self.picture_damage is not None:
            fault, start, end = self.picture_damage
            for index in range(start, end):
                shown[index] = shown[start if fault == "frozen" else index]._replace(fault=fault)
        return shown

    def used(self) -> set[str]:
        """All recordings in it."""
        used = {
            self.background,
            *(piece.recording for piece in self.pieces),
            *(each.recording for each in self.foregrounds),
        }
        if self.sound_damage is not None and self.sound_damage.donor:
            used.add(self.sound_damage.donor)
        return used

    @property
    def sha256(self) -> str:
        """Hash of all that decides the sequence's pictures and samples."""
        return sha256(json.dumps([COMPOSER_VERSION, self]).encode()).hexdigest()
