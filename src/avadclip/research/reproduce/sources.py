"""Data of a plan: one dataset, or two for the cross-dataset table, each with its recipes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from avadclip.data.bags import Dataset
from avadclip.data.composed.dataset import COMPOSED
from avadclip.data.datasets import load_dataset
from avadclip.data.published.load import BENCHMARKS
from avadclip.research.reproduce.plans import Side
from avadclip.research.reproduce.recipes import recipes_of

SYNTHETIC = "synthetic"  # by itself, without a size
SYNTHETIC_SIZE = "synthetic:quick"
OTHER_WORLD = 1000  # added to the seed: a synthetic world that shares nothing with the first


@dataclass(frozen=True)
class DataSource:
    """One dataset and the recipes for it."""

    spec: str
    """As load_dataset takes it."""
    recipes: Path
    """Folder of TOML files."""
    features: Path | None = None
    """See load_dataset."""
    seed_offset: int = 0
    """Added to the seed of every run on it."""

    @property
    def name(self) -> str:
        """Of the dataset, without the folder it lies in."""
        kind, *rest = self.spec.split(":")
        if kind in BENCHMARKS:
            return kind
        return f"{COMPOSED}{rest[0]}" if self.spec.startswith(COMPOSED) else Path(self.spec).name

    def load(self, seed: int) -> Dataset:
        """The dataset of a seed; raises AvadclipError."""
        return load_dataset(self.spec, features=self.features, seed=seed + self.seed_offset)


Sources = Mapping[Side, DataSource]
"""The first, and where there are two the second."""


def make_sources(
    data: str, *, features: Path | None = None, second: str | None = None, recipes: Path | None = None
) -> Sources:
    """The sources that a user names.

    Args:
        data: as load_dataset takes it, or `synthetic`.
        features: of the first dataset; see load_dataset.
        second: likewise; by default another synthetic world where the first is synthetic, else none.
        recipes: folder of recipes instead of those that come with the package.
    """
    first = DataSource(_sized(data), recipes or recipes_of(data), features)
    if second is not None:
        return {"first": first, "second": DataSource(_sized(second), recipes or recipes_of(second))}
    if data.partition(":")[0] == SYNTHETIC:
        return {"first": first, "second": DataSource(first.spec, first.recipes, seed_offset=OTHER_WORLD)}
    return {"first": first}


def _sized(data: str) -> str:
    return SYNTHETIC_SIZE if data == SYNTHETIC else data
