"""Bags: one video's snippets under one label, and batches of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avadclip.features.snippets import SnippetFeatures
from avadclip.nn.models import Bags
from avadclip.timeline import WINDOW_SNIPPETS, SnippetGrid


class Interval(NamedTuple):
    """One annotated anomalous stretch, half open [start, end), in seconds on the video's clock."""

    label: str
    start: float
    end: float


@dataclass(frozen=True)
class Bag:
    """One video with its weak label."""

    name: str
    group: str
    """Recording or film it was cut from; folds and hold-out splits never part a group."""
    features: SnippetFeatures
    targets: NDArray[np.float32]
    """[C] in {0, 1}; class 0 is set where no other is."""
    intervals: tuple[Interval, ...] | None = None
    """What happens when, for evaluation only; None where nobody annotated it, () in a normal video."""

    @property
    def is_anomalous(self) -> bool:
        """Whether any anomaly class is set."""
        return bool(self.targets[1:].any())


@dataclass(frozen=True)
class Dataset:
    """Bags of one benchmark or of one user, split; no group is in two splits."""

    name: str
    classes: tuple[str, ...]
    """C names; the first is `normal`."""
    grid: SnippetGrid
    train: tuple[Bag, ...]
    validation: tuple[Bag, ...]
    """Held out of the training videos by group; checkpoints and thresholds are chosen on it."""
    test: tuple[Bag, ...]
    """Never looked at before the end."""
    is_synthetic: bool = False
    """Whether every figure measured on it has to be called synthetic."""


def feature_widths(bags: Sequence[Bag]) -> tuple[int, int]:
    """Dv and Da of bags made by the same encoders; Da is 0 where none has sound."""
    audio = next((bag.features.audio for bag in bags if bag.features.audio is not None), None)
    return bags[0].features.visual.shape[2], 0 if audio is None else audio.shape[1]


def bin_snippets(rows: NDArray[np.float32], num_bins: int = WINDOW_SNIPPETS) -> NDArray[np.float32]:
    """Mean-pool a long video into equal bins for training; a short one is returned as it is.

    Bin i is the mean of rows r_i .. r_(i+1)-1, or row r_i where that is empty, with r = linspace(0, N, num_bins + 1)
    cut to integers (the published training protocol).

    Args:
        rows: [N, width]

    Returns:
        [min(N, num_bins), width]
    """
    if len(rows) <= num_bins:
        return rows
    edges = np.linspace(0, len(rows), num_bins + 1).astype(int)
    sums = np.add.reduceat(rows.astype(np.float64), edges[:-1], axis=0)
    return (sums / np.maximum(np.diff(edges), 1)[:, None]).astype(np.float32)


def bin_bag(bag: Bag) -> Bag:
    """The bag as training sees it, at most 256 snippets long; see bin_snippets."""
    features = bag.features
    if len(features) <= WINDOW_SNIPPETS:
        return bag
    visual = np.stack([bin_snippets(crop) for crop in features.visual])
    audio = None if features.audio is None else bin_snippets(features.audio)
    return replace(bag, features=replace(features, visual=visual, audio=audio))


class Batch(NamedTuple):
    """Bags of one training step, padded to one length."""

    bags: Bags
    """Sound is zeros where a bag has none, and None where no bag has any."""
    targets: Tensor
    """[B, C] in {0, 1}."""
    heard: Tensor
    """[B] bool, True for bags with sound."""

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        return Batch(self.bags.to(device), self.targets.to(device), self.heard.to(device))


def collate(bags: Sequence[Bag], *, whole_windows: bool = False) -> Batch:
    """Pad bags of at most 256 snippets to their longest, or to 256 where the variant `released` needs it."""
    lengths = torch.tensor([len(bag.features) for bag in bags])
    longest = WINDOW_SNIPPETS if whole_windows else int(lengths.max())
    heard = torch.tensor([bag.features.has_usable_sound for bag in bags])
    sounds = [bag.features.audio if bag.features.has_usable_sound else None for bag in bags]
    return Batch(
        bags=Bags(
            visual=_pad([bag.features.visual[0] for bag in bags], longest),
            audio=_pad(sounds, longest) if heard.any() else None,
            valid=torch.arange(longest) < lengths[:, None],
        ),
        targets=torch.from_numpy(np.stack([bag.targets for bag in bags])),
        heard=heard,
    )


def _pad(rows: Sequence[NDArray[np.float32] | None], longest: int) -> Tensor:
    width = next(row.shape[1] for row in rows if row is not None)
    padded = torch.zeros(len(rows), longest, width)
    for index, row in enumerate(rows):
        if row is not None:
            padded[index, : len(row)] = torch.from_numpy(row)
    return padded
