"""Report of `avadclip data check` on a user's own videos: what training and evaluation would use."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from avadclip.data.bags import Bag, Dataset


class OwnSplit(BaseModel):
    """One split of the user's own videos."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: Literal["train", "validation", "test"]
    num_videos: int
    num_anomalous: int
    num_with_times: int
    """Anomalous videos whose events have times; without them only whole videos are measured."""
    num_with_sound: int
    hours: float
    """Of whole snippets."""


class OwnCheck(BaseModel):
    """The complete check, as printed by `--format json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["avadclip-own-data-check/1"] = "avadclip-own-data-check/1"
    source: str
    classes: tuple[str, ...]
    splits: tuple[OwnSplit, ...]
    notes: tuple[str, ...]


def check_own(source: str, dataset: Dataset) -> OwnCheck:
    """Count what was loaded; loading has found it usable."""
    snippet_hours = dataset.grid.snippet_seconds / 3600
    splits: tuple[tuple[Literal["train", "validation", "test"], Sequence[Bag]], ...] = (
        ("train", dataset.train),
        ("validation", dataset.validation),
        ("test", dataset.test),
    )
    return OwnCheck(
        source=source,
        classes=dataset.classes,
        splits=tuple(
            OwnSplit(
                split=name,
                num_videos=len(bags),
                num_anomalous=sum(bag.is_anomalous for bag in bags),
                num_with_times=sum(bool(bag.intervals) for bag in bags),
                num_with_sound=sum(bag.stored.has_usable_sound for bag in bags),
                hours=snippet_hours * sum(len(bag.stored) for bag in bags),
            )
            for name, bags in splits
        ),
        notes=dataset.notes,
    )
