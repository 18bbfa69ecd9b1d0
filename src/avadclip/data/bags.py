"""Bags: one video's snippets under one label, and batches of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avadclip.errors import DataError
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.model.base import Bags, Batch
from avadclip.timeline import WINDOW_SNIPPETS, SnippetGrid


class Interval(NamedTuple):
    """One annotated anomalous stretch, half open [start, end), in seconds on the video's clock."""

    label: str
    start: float
    end: float


class Span(NamedTuple):
    """One stretch of time, half open [start, end), in seconds on the video's clock."""

    start: float
    end: float


EventKind = Literal["visible", "audible", "both"]


@dataclass(frozen=True)
class Composition:
    """What is in every snippet of a composed sequence, [T] each, "" for nothing; no network reads it."""

    event_kinds: NDArray[np.str_]
    """EventKind: in the picture only, in the sound only, or in both."""
    hard_negatives: NDArray[np.str_]
    """Label of a sound that is ordinary, but easily taken for an event."""
    picture_damage: NDArray[np.str_]
    """dark, half covered, blurred or frozen."""
    sound_damage: NDArray[np.str_]
    """noisy, foreign or missing."""


class StoredFeatures(Protocol):
    """Features in memory or in their files: those of a benchmark do not fit into memory."""

    @property
    def audio_width(self) -> int:
        """Da; 0 without a sound track."""

    @property
    def has_usable_sound(self) -> bool:
        """Whether there is a sound track, and it is not silent."""

    @property
    def visual_width(self) -> int:
        """Dv."""

    @property
    def provenance(self) -> Provenance | None:
        """How the features were made, where that is known."""

    def __len__(self) -> int:
        """T."""

    def load(self) -> SnippetFeatures:
        """Read the files, each time it is called; raises FeatureError."""


@dataclass(frozen=True)
class Bag:
    """One video with its weak label; or one crop of it, in training on several."""

    name: str
    group: str
    """Recording or film it was cut from; folds and hold-out splits never part a group."""
    stored: StoredFeatures
    """The features, or where to read them; their length, widths and provenance are known without reading a file."""
    targets: NDArray[np.float32]
    """[C] in {0, 1}; class 0 is set where no other is."""
    intervals: tuple[Interval, ...] | None = None
    """Annotated events, for evaluation only; None without annotation, () in a normal video."""
    anomalous_spans: tuple[Span, ...] | None = None
    """When anything anomalous happens, where a benchmark annotates that apart; None: it is what `intervals` cover."""
    composition: Composition | None = None
    """Of a composed sequence, for studies by kind of event and of damage."""
    clear: StoredFeatures | None = None
    """The same snippets with an undamaged picture, where that of `stored` is damaged; what a teacher sees."""

    def load(self) -> SnippetFeatures:
        """The features. Stored ones are read at every call: a loop over 39,540 bags needs the memory of one."""
        return self.stored.load()

    @property
    def undamaged(self) -> "Bag":
        """With the clear picture, where there is one: the bag as a teacher sees it."""
        return self if self.clear is None else replace(self, stored=self.clear)

    @property
    def is_anomalous(self) -> bool:
        """Whether any anomaly class is set."""
        return bool(self.targets[1:].any())


@dataclass(frozen=True)
class Dataset:
    """Bags of one benchmark or of one user, split; only a benchmark's own test split may part a group."""

    name: str
    classes: tuple[str, ...]
    """C names; the first is `normal`."""
    grid: SnippetGrid
    train: tuple[Bag, ...]
    validation: tuple[Bag, ...]
    """Part of the training videos, split by group; checkpoints and thresholds are chosen on it."""
    test: tuple[Bag, ...]
    """Used once, at the end."""
    is_synthetic: bool = False
    """Whether every figure measured on it has to be called synthetic."""
    notes: tuple[str, ...] = ()
    """Findings and decisions of reading it that decide numbers."""
    licences: tuple[str, ...] = ()
    """Licences of the recordings that composed sequences are trained on; a model's card names them."""
    why_empty: Mapping[str, str] = field(default_factory=dict)
    """By split, why it has no videos."""
    normal_has_legacy_truth: bool = True
    """Whether the benchmark's published mAP script finds the truth of normal videos; UCF-Crime's does not."""

    def bags_of(self, split: Literal["train", "validation", "test"]) -> tuple[Bag, ...]:
        """The videos of a split; DataError, with the reason, where there are none."""
        bags: tuple[Bag, ...] = getattr(self, split)
        if not bags:
            reason = self.why_empty.get(split, "give a split that has some")
            raise DataError(f"the {split} split of {self.name} holds no videos: {reason}")
        return bags


def feature_widths(bags: Sequence[Bag]) -> tuple[int, int]:
    """Dv and Da of bags made by the same encoders; Da is 0 where none has sound."""
    return bags[0].stored.visual_width, max(bag.stored.audio_width for bag in bags)


def bin_snippets(rows: NDArray[np.float32], num_bins: int = WINDOW_SNIPPETS) -> NDArray[np.float32]:
    """Resample a video to equal bins for training.

    Bin i is the mean of rows r_i .. r_(i+1)-1, with r = linspace(0, N, num_bins + 1) cut to integers, or row r_i where
    there are fewer rows than bins (the published training protocol).

    Args:
        rows: [N, width]

    Returns:
        [num_bins, width]
    """
    edges = np.linspace(0, len(rows), num_bins + 1).astype(int)
    # Of an empty bin, reduceat gives the row that it starts at.
    sums = np.add.reduceat(rows.astype(np.float64), edges[:-1], axis=0)
    return (sums / np.maximum(1, np.diff(edges))[:, None]).astype(np.float32)


def sample_snippets(rows: NDArray[np.float32], num_rows: int) -> NDArray[np.float32]:
    """So many evenly spaced rows, the first and the last among them, positions cut to integers (HL-Net, MACIL-SD)."""
    sampled: NDArray[np.float32] = rows[np.linspace(0, len(rows) - 1, num_rows).astype(int)]
    return sampled


LongBags = Literal["pool", "sample"]
SHORTENED: Mapping[LongBags, Callable[[NDArray[np.float32], int], NDArray[np.float32]]] = {
    "pool": bin_snippets,
    "sample": sample_snippets,
}


def _bin_features(features: SnippetFeatures, num_bins: int, how: LongBags) -> SnippetFeatures:
    """Features resampled to so many snippets."""
    shortened = SHORTENED[how]
    visual = np.stack([shortened(crop, num_bins) for crop in features.visual])
    audio = None if features.audio is None else shortened(features.audio, num_bins)
    return replace(features, visual=visual, audio=audio, tags=None)


@dataclass(frozen=True)
class _BinnedFeatures:
    """Stored features, binned as they are read."""

    stored: StoredFeatures
    num_bins: int
    how: LongBags

    @property
    def visual_width(self) -> int:
        return self.stored.visual_width

    @property
    def audio_width(self) -> int:
        return self.stored.audio_width

    @property
    def provenance(self) -> Provenance | None:
        return self.stored.provenance

    @property
    def has_usable_sound(self) -> bool:
        return self.stored.has_usable_sound

    def __len__(self) -> int:
        return self.num_bins

    def load(self) -> SnippetFeatures:
        return _bin_features(self.stored.load(), self.num_bins, self.how)


def bin_bag(bag: Bag, max_snippets: int = WINDOW_SNIPPETS, *, stretch: bool = False, how: LongBags = "pool") -> Bag:
    """The bag as training uses it, at most so many snippets long; stored features stay in their files.

    Args:
        bag: of any length.
        max_snippets: longer bags are binned.
        stretch: bin shorter bags too, so that all are of one length.
        how: `pool` as bin_snippets, `sample` as sample_snippets.
    """
    if len(bag.stored) == max_snippets or (len(bag.stored) < max_snippets and not stretch):
        return bag
    clear = None if bag.clear is None else _bin_stored(bag.clear, max_snippets, how)
    return replace(bag, stored=_bin_stored(bag.stored, max_snippets, how), clear=clear)


def _bin_stored(stored: StoredFeatures, num_bins: int, how: LongBags) -> StoredFeatures:
    if isinstance(stored, SnippetFeatures):
        return _bin_features(stored, num_bins, how)
    return _BinnedFeatures(stored, num_bins, how)


def collate(bags: Sequence[Bag], *, pad_to_window: bool = False) -> Batch:
    """Pad bags of at most 256 snippets to their longest, or to 256 for a network that `pads_to_window`."""
    every = [bag.load() for bag in bags]
    lengths = torch.tensor([len(features) for features in every])
    longest = WINDOW_SNIPPETS if pad_to_window else int(lengths.max())
    has_audio = torch.tensor([features.has_usable_sound for features in every])
    audio = [features.audio if features.has_usable_sound else None for features in every]
    return Batch(
        bags=Bags(
            visual=_pad([features.visual[0] for features in every], longest),
            audio=_pad(audio, longest) if has_audio.any() else None,
            mask=torch.arange(longest) < lengths[:, None],
        ),
        targets=torch.from_numpy(np.stack([bag.targets for bag in bags])),
        has_audio=has_audio,
    )


def damaged_snippets(bags: Sequence[Bag], length: int) -> Tensor:
    """Where the picture differs from its clear copy, [B, length] bool."""
    damaged = torch.zeros(len(bags), length, dtype=torch.bool)
    for index, bag in enumerate(bags):
        if bag.clear is not None:
            differs = (bag.load().visual[0] != bag.clear.load().visual[0]).any(axis=-1)
            damaged[index, : len(differs)] = torch.from_numpy(differs)
    return damaged


def _pad(rows: Sequence[NDArray[np.float32] | None], longest: int) -> Tensor:
    width = next(row.shape[1] for row in rows if row is not None)
    padded = torch.zeros(len(rows), longest, width)
    for index, row in enumerate(rows):
        if row is not None:
            padded[index, : len(row)] = torch.from_numpy(row)
    return padded
