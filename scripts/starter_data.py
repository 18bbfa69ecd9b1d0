"""What `starter` learns from and is measured on: composed sequences, clips and ordinary videos, in folds by session.

A fold's sequences are composed of recordings of that fold alone, so they are left out together with it.
"""

import csv
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from composed_recordings import pictures, sounds, write_recordings
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from avadclip.data.bags import Bag
from avadclip.data.composed.draw import ComposedSize, plan_sequences
from avadclip.data.composed.features import SequenceFeatures
from avadclip.data.composed.plan import SequencePlan
from avadclip.data.composed.recordings import Recording, read_recordings
from avadclip.data.synthetic import Split
from avadclip.encoders.base import Encoders
from avadclip.errors import DataError
from avadclip.features.batch import extract_to_folder
from avadclip.features.store import read_features

CLASSES = ("normal", "fighting", "shooting", "explosion")
TRAINED = {"fighting": "fighting", "gunshot": "shooting", "explosion": "explosion"}
"""Class of a recording's label; other sounds that can be events are named by the audio tagger, and not trained."""
VISIBLE, AUDIBLE = ("fighting",), ("shooting", "explosion")
NUM_FOLDS = 5
SIZE = ComposedSize({"train": 96, "validation": 0, "test": 48}, num_snippets=32, longest_event=10)  # of one fold


class Material(NamedTuple):
    """Everything, with the fold of every session."""

    recordings: list[Recording]
    fights: list[Bag]
    """The shared clips of about 2 s, fights and normal ones."""
    properties: NDArray[np.float64]
    """Of the clips: frame rate, width, height, seconds, bits per second, [N, 5]."""
    ordinary: list[Bag]
    """Whole videos of ordinary life."""
    encoders: Encoders
    features: Path

    def folds(self, seed: int) -> dict[str, int]:
        """The fold of every session; events, hard negatives and backgrounds of each label are spread evenly."""
        strata = [f"{each.kind} {each.role} {each.label}" for each in self.recordings]
        sessions = [each.session for each in self.recordings]
        splitter = StratifiedGroupKFold(NUM_FOLDS, shuffle=True, random_state=seed)
        held_out = [held for _, held in splitter.split(sessions, strata, sessions)]
        return {sessions[index]: fold for fold, held in enumerate(held_out) for index in held}

    def sequences(self, seed: int, split: Split, fold: int, *, timed: bool = False) -> list[Bag]:
        """Sequences of one fold's recordings; those for training hold no share-alike ones, times if `timed`."""
        own = [each for each in self.of_fold(seed, fold) if split == "test" or not each.share_alike]
        return self.compose(own, split, NUM_FOLDS * 2 * seed + fold, timed=timed or split == "test")

    def of_fold(self, seed: int, fold: int) -> list[Recording]:
        """The recordings of a fold."""
        of = self.folds(seed)
        return [each for each in self.recordings if of[each.session] == fold]

    def compose(self, recordings: Sequence[Recording], split: Split, seed: int, *, timed: bool) -> list[Bag]:
        """Sequences of these recordings, with the times of their events if `timed`."""
        by_hash = {each.sha256: each for each in recordings}
        made = SequenceFeatures(by_hash, self.encoders, self.features)
        bags = []
        for plan in plan_sequences(SIZE, split, recordings, seed=seed):
            bag = made.bag(plan, CLASSES, is_weak=not timed)
            bags.append(replace(bag, group=by_hash[_main(plan)].session, stored=bag.load(), clear=None))
        return bags


def read_material(data: Path, folder: Path, encoders: Encoders) -> Material:
    """Read the recordings, and extract the features of clips and ordinary videos unless `folder` has them.

    Args:
        data: holds surveillance_fights/, surveillance_sounds/ and normal_videos/.
        folder: where recordings.csv and features are kept.
        encoders: with sound.

    Raises:
        DataError: a recording cannot be read.
    """
    rows = [
        row.model_copy(update={"label": TRAINED.get(row.label, row.label)})
        for row in (*pictures(data), *sounds(data))
        if row.role != "event" or row.label in TRAINED
    ]
    write_recordings(folder, rows)
    recordings = read_recordings(folder)
    videos = [each for each in recordings if each.kind == "picture"]
    fights = [each for each in videos if each.role != "background"]
    ordinary = [each for each in videos if each.role == "background"]
    features = folder / "features"
    return Material(
        recordings,
        _bags(fights, features, encoders),
        _properties(data / "surveillance_fights/clips.csv", fights),
        _bags(ordinary, features, encoders),
        encoders,
        features,
    )


def with_classes(bag: Bag, classes: Sequence[str]) -> Bag:
    """The bag as a student sees it that can perceive these classes alone: other events are normal to it."""
    targets = np.array([name in classes and bag.targets[index] > 0 for index, name in enumerate(CLASSES)], np.float32)
    targets[0] = not targets.any()
    return replace(bag, targets=targets)


def _main(plan: SequencePlan) -> str:
    """The recording whose session is the sequence's: of the first event's sound or picture, else of the background."""
    starts = {event.start for event in plan.events}
    heard = [each.recording for each in plan.foregrounds if each.start in starts or not starts]
    seen = [piece.recording for piece in plan.pieces if piece.start in starts]
    return [*heard, *seen, plan.background][0]


def _bags(videos: Sequence[Recording], features: Path, encoders: Encoders) -> list[Bag]:
    bags = []
    for video, outcome in zip(
        videos, extract_to_folder([each.path for each in videos], features, encoders), strict=True
    ):
        if outcome.status == "failed":
            raise DataError(f"{outcome.path}: {outcome.message}")
        label = video.label if video.role == "event" else CLASSES[0]
        targets = np.array([label == name for name in CLASSES], dtype=np.float32)
        bags.append(Bag(str(video.path), video.session, read_features(outcome.feature_file), targets))
    return bags


def _properties(table: Path, clips: Sequence[Recording]) -> NDArray[np.float64]:
    with table.open(newline="") as file:
        rows = {table.parent / row["file"]: row for row in csv.DictReader(file)}

    def of(clip: Recording) -> list[float]:
        row = rows[clip.path]
        size = [float(row["width"]), float(row["height"]), float(row["seconds"])]
        return [float(Fraction(row["fps"])), *size, 8 * clip.path.stat().st_size / float(row["seconds"])]

    return np.array([of(clip) for clip in clips])
