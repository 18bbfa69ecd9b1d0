"""Loading of datasets by name: `synthetic:small`, `composed:small:FOLDER`, `xd-violence:FOLDER`, or a user's own."""

from collections.abc import Sequence
from pathlib import Path

from avadclip.data.bags import Dataset
from avadclip.data.composed.dataset import COMPOSED, load_composed
from avadclip.data.composed.draw import SIZES as COMPOSED_SIZES
from avadclip.data.folder import Undivided, load_csv, load_folder
from avadclip.data.published.load import BENCHMARKS, load_benchmark
from avadclip.data.synthetic import SIZES, load_synthetic
from avadclip.errors import ConfigError, DataError

SYNTHETIC = "synthetic:"


def load_dataset(
    spec: str | Path,
    *,
    features: str | Path | None = None,
    classes: Sequence[str] | None = None,
    seed: int = 0,
    undivided: Undivided = "train",
    partial: bool = False,
) -> Dataset:
    """Load a dataset by the value of a recipe's `data.source`.

    Args:
        spec: `synthetic:SIZE`, one of data.synthetic.SIZES; or `composed:SIZE:FOLDER` (data.composed.dataset); or
            `xd-violence:FOLDER`, `cctv-fights:FOLDER`, `ucf-crime:FOLDER`; or a CSV file; or a folder of sub-folders by
            class.
        features: folder of feature files from `avadclip extract`, for the user's own videos; for a benchmark, an
            additional folder to search; for composed data, where they are made.
        classes: classes of the user's own videos, `normal` first; by default those of the labels.
        seed: of synthetic and composed data, and of the hold-out of others.
        undivided: split of the user's own videos where the labels name none: to train on, or to measure on.
        partial: use the videos that have features, and note which share of all they are; by default others are errors.

    Raises:
        ConfigError: unknown name.
        DataError: unusable labels.
        FeatureError: unusable features.
    """
    path, spec = Path(spec), str(spec)
    features = None if features is None else Path(features)
    if spec.startswith(SYNTHETIC):
        if features is not None:
            raise ConfigError(f"{spec} has its own features, but `features` is {features}; omit it")
        return load_synthetic(spec.removeprefix(SYNTHETIC), seed=seed)
    if spec.startswith(COMPOSED):
        return load_composed(spec.removeprefix(COMPOSED), features=features, seed=seed)
    name, _, folder = spec.partition(":")
    if name in BENCHMARKS and folder:
        folders = [Path(folder)] if features is None else [Path(folder), features]
        return load_benchmark(BENCHMARKS[name], folders, seed=seed, partial=partial)
    if path.is_dir():
        return load_folder(path, features=features, classes=classes, seed=seed, undivided=undivided, partial=partial)
    if path.is_file():
        if features is None:
            raise DataError(
                f"{path} needs `features`, the folder of its feature files; "
                "create it with `avadclip extract VIDEOS --out FOLDER`"
            )
        return load_csv(path, features=features, classes=classes, seed=seed, undivided=undivided, partial=partial)
    made = [*(f"{SYNTHETIC}{size}" for size in SIZES), *(f"{COMPOSED}{size}:FOLDER" for size in COMPOSED_SIZES)]
    known = ", ".join([*made, *(f"{each}:FOLDER" for each in BENCHMARKS)])
    raise ConfigError(f"{spec}: unknown dataset; give a CSV file, a folder of videos by class, or one of {known}")
