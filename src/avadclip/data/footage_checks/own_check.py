"""Report of `avadclip data check` on a user's own videos: what training and evaluation would use."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from avadclip.data.bags import Bag, Dataset
from avadclip.data.footage_checks.videos import dataset_videos
from avadclip.data.footage_checks.warning import FootageWarning
from avadclip.data.footage_checks.warnings import footage_warnings


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
    warnings: tuple[FootageWarning, ...]
    """Flaws of the footage that training would not show."""


def check_own(source: str, dataset: Dataset) -> OwnCheck:
    """Count what was loaded, and look for flaws; loading has found it usable.

    Args:
        source: the CSV file or folder. Videos found from there are opened, for the properties of their files.
        dataset: loaded from it.
    """
    path = Path(source)
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
        warnings=tuple(footage_warnings(dataset_videos(dataset, files=path if path.is_dir() else path.parent))),
    )
