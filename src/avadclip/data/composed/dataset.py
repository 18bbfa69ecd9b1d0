"""`composed:SIZE:FOLDER`: sequences of real footage and real sounds, put together by seed.

The pairs of picture and sound are chance pairs: no figure measured on them says how often the sound of a real event
belongs to its picture. Every figure carries the dataset's name, which begins with `composed`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from avadclip.data import progress
from avadclip.data.bags import Bag, Dataset
from avadclip.data.composed.draw import SIZES, plan_sequences, size_of
from avadclip.data.composed.features import SequenceFeatures
from avadclip.data.composed.plan import SequencePlan
from avadclip.data.composed.recordings import GRID, Recording, read_recordings
from avadclip.data.composed.splits import Parts, split_recordings
from avadclip.data.synthetic import SPLITS, Split
from avadclip.encoders.base import Encoders
from avadclip.encoders.load import load_encoders
from avadclip.errors import ConfigError
from avadclip.labels import NORMAL

COMPOSED = "composed:"
FEATURES_FOLDER = "composed-features"  # beside the recordings
CHANCE_PAIRS = (
    "composed data: real recordings, put together by chance; picture and sound of an event do not belong together"
)


class ComposedPlan(NamedTuple):
    """All sequences of a dataset."""

    classes: tuple[str, ...]
    """`normal` and the labels of the trained events."""
    recordings: Mapping[str, Recording]
    """By hash."""
    parts: Parts
    sequences: Mapping[Split, tuple[SequencePlan, ...]]

    @property
    def licences(self) -> tuple[str, ...]:
        """Of the recordings that a model learns or chooses by."""
        return tuple(sorted({each.licence for split in ("train", "validation") for each in self.parts[split]}))


def plan_composed(size: str, folder: Path, *, seed: int = 0) -> ComposedPlan:
    """Plan a dataset; raises as load_composed."""
    chosen = size_of(size)
    recordings = read_recordings(folder)
    parts = split_recordings(recordings, seed=seed)
    labels = {recording.label for recording in parts["train"] if recording.role == "event"}
    return ComposedPlan(
        (NORMAL, *sorted(labels)),
        {recording.sha256: recording for recording in recordings},
        parts,
        {split: tuple(plan_sequences(chosen, split, parts[split], seed=seed)) for split in SPLITS},
    )


def load_composed(
    spec: str, *, features: Path | None = None, encoders: Encoders | None = None, seed: int = 0
) -> Dataset:
    """Compose a dataset, or read the features that an earlier call left.

    Args:
        spec: `SIZE:FOLDER`, one of draw.SIZES and a folder with recordings.csv (see recordings).
        features: folder of the features, by default `composed-features` beside the recordings.
        encoders: with sound; `lite` by default.
        seed: of the splits and of every sequence.

    Raises:
        ConfigError: unknown size, or no folder.
        DataError: unusable recordings, or too few for three splits.
        MediaError: a recording cannot be read.
    """
    size, folder = split_spec(spec)
    plan = plan_composed(size, folder, seed=seed)
    made = SequenceFeatures(plan.recordings, encoders or load_encoders("lite"), features or folder / FEATURES_FOLDER)
    bags: dict[Split, list[Bag]] = {split: [] for split in SPLITS}
    sequences = [(split, each) for split in SPLITS for each in plan.sequences[split]]
    name = f"{COMPOSED}{size}"
    title = f"features of {name}"
    with progress.show_steps(title) as show:
        for number, (split, each) in enumerate(sequences, start=1):
            bags[split].append(made.bag(each, plan.classes, is_weak=split == "train"))
            show(title, number, len(sequences))
    return Dataset(
        name,
        plan.classes,
        GRID,
        train=tuple(bags["train"]),
        validation=tuple(bags["validation"]),
        test=tuple(bags["test"]),
        notes=(CHANCE_PAIRS,),
        licences=plan.licences,
    )


def split_spec(spec: str) -> tuple[str, Path]:
    """`SIZE:FOLDER` as its parts; ConfigError."""
    size, _, folder = spec.partition(":")
    if size in SIZES and not folder:
        raise ConfigError(f"{COMPOSED}{spec} names no folder; write {COMPOSED}{size}:FOLDER, with recordings.csv in it")
    size_of(size)
    return size, Path(folder)
