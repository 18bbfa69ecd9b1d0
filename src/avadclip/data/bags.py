"""Bags: one video's snippets under one label, and batches of them."""

from collections.abc import Sequence
from dataclasses import dataclass
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


def collate(bags: Sequence[Bag], *, variant_released: bool = False) -> tuple[Bags, Tensor]:
    """Pad bags to their longest, or to 256 snippets where the variant `released` needs it.

    Returns:
        The batch, audio only where every bag has it, and targets [B, C].
    """
    visual = [torch.from_numpy(bin_snippets(bag.features.visual[0])) for bag in bags]
    lengths = torch.tensor([len(rows) for rows in visual])
    longest = WINDOW_SNIPPETS if variant_released else int(lengths.max())
    valid = torch.arange(longest) < lengths[:, None]
    audio = [torch.from_numpy(bin_snippets(bag.features.audio)) for bag in bags if bag.features.audio is not None]
    return (
        Bags(_pad(visual, longest), _pad(audio, longest) if len(audio) == len(bags) else None, valid),
        torch.from_numpy(np.stack([bag.targets for bag in bags])),
    )


def _pad(rows: list[Tensor], longest: int) -> Tensor:
    padded = rows[0].new_zeros(len(rows), longest, rows[0].shape[1])
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded
