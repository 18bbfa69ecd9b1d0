"""Drawing of plans from a seed and the recordings of a split, before anything is decoded."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from avadclip.data.bags import EventKind
from avadclip.data.composed.plan import (
    PICTURE_FAULTS,
    SOUND_FAULTS,
    Foreground,
    PictureDamaged,
    Piece,
    PlannedEvent,
    SequencePlan,
    SoundDamaged,
)
from avadclip.data.composed.recordings import Kind, Recording
from avadclip.data.synthetic import MODALITY_SHARES, SPLITS, Split, place_spans
from avadclip.errors import ConfigError

PIECE_SNIPPETS = 3  # longest run of one recording's picture, of events and of the rest alike
BACKGROUND_DBFS = (-38.0, -30.0)  # RMS of the background sound
EVENT_ABOVE_DB: dict[Split, tuple[float, float]] = {
    "train": (-5.0, 25.0),
    "validation": (8.0, 20.0),
    "test": (8.0, 20.0),
}
"""RMS of an event's or hard negative's sound, above the background."""
HARD_NEGATIVE_SHARE = 0.6  # of the sequences without events
HARD_NEGATIVE_BESIDE_SHARE = 0.3  # of the happenings after the first one of a sequence with events
DAMAGED_SHARE = 0.4  # of the sequences, in the picture and in the sound each
DAMAGED_PART = (0.25, 0.5)  # of such a sequence


ItemT = TypeVar("ItemT")


class ComposedSize(NamedTuple):
    """Sequences by split, and snippets of each."""

    num_sequences: dict[Split, int]
    num_snippets: int
    longest_event: int
    """Snippets; the shortest is 3. No event is longer than a third of its sequence."""


SIZES = {
    "tiny": ComposedSize({"train": 12, "validation": 4, "test": 8}, 16, 5),
    "small": ComposedSize({"train": 320, "validation": 80, "test": 120}, 32, 10),
    "full": ComposedSize({"train": 1200, "validation": 200, "test": 400}, 64, 20),
}


def size_of(name: str) -> ComposedSize:
    """A size by its name; ConfigError."""
    if name not in SIZES:
        raise ConfigError(f"composed:{name} is not known; choose one of {', '.join(SIZES)}, as in composed:tiny:FOLDER")
    return SIZES[name]


def plan_sequences(
    size: ComposedSize, split: Split, recordings: Sequence[Recording], *, seed: int
) -> Iterator[SequencePlan]:
    """Plan the sequences of one split of these recordings; half of them hold events."""
    pool = _Pool.of(recordings)
    for index in range(size.num_sequences[split]):
        key = (seed, SPLITS.index(split), index)
        yield _Planner(size, split, pool, key).plan(f"composed-{split}-{index:04d}", has_events=index % 2 == 1)


@dataclass(frozen=True)
class _Pool:
    """Recordings of one split, by what they can be used for; of events and hard negatives, by label."""

    scenes: list[Recording]
    """Pictures of what is ordinary: backgrounds and hard negatives."""
    backgrounds: list[Recording]
    """Sounds."""
    hard_sounds: dict[str, list[Recording]]
    events: dict[Kind, dict[str, list[Recording]]]

    @classmethod
    def of(cls, recordings: Sequence[Recording]) -> "_Pool":
        pool = cls([], [], defaultdict(list), {"picture": defaultdict(list), "sound": defaultdict(list)})
        for recording in sorted(recordings, key=lambda recording: recording.sha256):
            match recording.kind, recording.role:
                case kind, "event":
                    pool.events[kind][recording.label].append(recording)
                case "picture", _:
                    pool.scenes.append(recording)
                case _, "background":
                    pool.backgrounds.append(recording)
                case _:
                    pool.hard_sounds[recording.label].append(recording)
        return pool

    @property
    def kinds(self) -> dict[EventKind, float]:
        """Shares of the kinds of event that there are recordings for."""
        can: dict[EventKind, bool] = {
            "visible": bool(self.events["picture"]),
            "audible": bool(self.events["sound"]),
            "both": bool(self.events["picture"] and self.events["sound"]),
        }
        return {kind: MODALITY_SHARES[kind] for kind, possible in can.items() if possible}


class _Planner:
    """Draws one sequence."""

    def __init__(self, size: ComposedSize, split: Split, pool: _Pool, seed: tuple[int, int, int]) -> None:
        self._size, self._split, self._pool, self._seed = size, split, pool, seed
        self._random = np.random.default_rng(seed)
        self._events: list[PlannedEvent] = []
        self._foregrounds: list[Foreground] = []
        self._event_pieces: list[Piece] = []

    def plan(self, name: str, *, has_events: bool) -> SequencePlan:
        spans = place_spans(self._size.num_snippets, self._size.longest_event, self._random)
        if has_events or self._random.random() < HARD_NEGATIVE_SHARE:
            for number, span in enumerate(spans):
                is_hard = number > 0 and self._random.random() < HARD_NEGATIVE_BESIDE_SHARE
                if has_events and not is_hard:
                    self._add_event(*span)
                elif self._pool.hard_sounds:
                    self._add_foreground(self._of_label(self._pool.hard_sounds), *span)
        background = self._one_of(self._pool.backgrounds)
        return SequencePlan(
            name,
            self._seed,
            self._size.num_snippets,
            self._pieces(),
            background.sha256,
            float(self._random.uniform(*BACKGROUND_DBFS)),
            tuple(self._foregrounds),
            tuple(self._events),
            self._picture_damage(),
            self._sound_damage(background),
        )

    def _add_event(self, start: int, end: int) -> None:
        shares = self._pool.kinds
        weights = np.array(list(shares.values()))
        kind = list(shares)[self._random.choice(len(shares), p=weights / weights.sum())]
        labels = []
        if kind != "audible":
            of_picture = self._pool.events["picture"]
            labels.append(self._one_of(list(of_picture)))
            self._event_pieces += self._fill(of_picture[labels[0]], start, end)
        if kind != "visible":
            recording = self._of_label(self._pool.events["sound"])
            labels.append(recording.label)
            self._add_foreground(recording, start, end)
        self._events.append(PlannedEvent(kind, tuple(dict.fromkeys(labels)), start, end))

    def _add_foreground(self, recording: Recording, start: int, end: int) -> None:
        place, above_db = self._random.random(), self._random.uniform(*EVENT_ABOVE_DB[self._split])
        self._foregrounds.append(Foreground(recording.sha256, float(place), float(above_db), start, end))

    def _pieces(self) -> tuple[Piece, ...]:
        """The event's pieces, and ordinary scenes wherever none is."""
        pieces: list[Piece] = []
        at = 0
        for piece in [*self._event_pieces, None]:
            until = self._size.num_snippets if piece is None else piece.start
            pieces += self._fill(self._pool.scenes, at, until)
            if piece is not None:
                pieces.append(piece)
                at = piece.end
        return tuple(pieces)

    def _fill(self, recordings: Sequence[Recording], start: int, end: int) -> Iterator[Piece]:
        """Pieces of these recordings, one after the other."""
        while start < end:
            recording = self._one_of(recordings)
            length = min(PIECE_SNIPPETS, recording.num_snippets, end - start)
            first = int(self._random.integers(recording.num_snippets - length + 1))
            yield Piece(recording.sha256, first, start, start + length)
            start += length

    def _picture_damage(self) -> PictureDamaged | None:
        span = self._damaged_span()
        return None if span is None else PictureDamaged(self._one_of(PICTURE_FAULTS), *span)

    def _sound_damage(self, background: Recording) -> SoundDamaged | None:
        span = self._damaged_span()
        if span is None:
            return None
        ordinary = [*self._pool.backgrounds, *(each for of in self._pool.hard_sounds.values() for each in of)]
        others = [each for each in ordinary if each.session != background.session]
        fault = self._one_of(SOUND_FAULTS if others else ("noisy", "missing"))
        return SoundDamaged(fault, self._one_of(others).sha256 if fault == "foreign" else "", *span)

    def _damaged_span(self) -> tuple[int, int] | None:
        if self._random.random() >= DAMAGED_SHARE:
            return None
        length = round(self._size.num_snippets * self._random.uniform(*DAMAGED_PART))
        start = int(self._random.integers(self._size.num_snippets - length + 1))
        return start, start + length

    def _of_label(self, by_label: dict[str, list[Recording]]) -> Recording:
        """A label by chance, then one of its recordings: labels with many recordings are no more frequent."""
        return self._one_of(by_label[self._one_of(list(by_label))])

    def _one_of(self, items: Sequence[ItemT]) -> ItemT:
        return items[int(self._random.integers(len(items)))]
