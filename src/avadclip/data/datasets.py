"""Datasets by name: `load_dataset("synthetic:small")`, `load_dataset("videos.csv", features=Path("features"))`."""

from pathlib import Path

from avadclip.data.bags import Dataset
from avadclip.data.synthetic import load_synthetic
from avadclip.errors import ConfigError

SYNTHETIC = "synthetic:"


def load_dataset(spec: str, *, features: Path | None = None, seed: int = 0) -> Dataset:
    """Load what a recipe's `data.source` names.

    Args:
        spec: `synthetic:tiny`, `synthetic:small`, `synthetic:xd`.
        features: folder of feature files from `avadclip extract`; not for synthetic data.
        seed: of the synthetic data.
    """
    if spec.startswith(SYNTHETIC):
        if features is not None:
            raise ConfigError(f"{spec} has its own features, but the folder {features} is named; leave `features` out")
        return load_synthetic(spec.removeprefix(SYNTHETIC), seed=seed)
    raise NotImplementedError
