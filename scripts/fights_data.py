"""The shared fights as bags: 232 real CCTV clips of about 2 s, one label each, grouped by recording."""

import csv
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avadclip.data.bags import Bag
from avadclip.encoders.load import load_encoders
from avadclip.errors import DataError
from avadclip.features.batch import extract_to_folder
from avadclip.features.store import read_features

CLASSES = ("normal", "fighting")


@dataclass(frozen=True)
class Clips:
    """Bags, and what their files say without a look at a pixel."""

    bags: list[Bag]
    properties: NDArray[np.float64]
    """Frame rate, width, height, seconds, bits per second, [N, 5]."""


def read_clips(folder: Path, features: Path) -> Clips:
    """Extract the `lite-1` features of every clip, or take over those in `features`; weak labels only.

    Args:
        folder: holds clips.csv and the files it names.
        features: where feature files are kept.

    Raises:
        DataError: a clip cannot be read.
    """
    with (folder / "clips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    outcomes = extract_to_folder([folder / row["file"] for row in rows], features, load_encoders("lite-1"))
    bags, properties = [], []
    for row, outcome in zip(rows, outcomes, strict=True):
        if outcome.status == "failed":
            raise DataError(f"{outcome.path}: {outcome.message}")
        targets = np.array([row["label"] == name for name in CLASSES], dtype=np.float32)
        bags.append(Bag(row["file"], row["source"], read_features(outcome.feature_file), targets))
        size = [float(row["width"]), float(row["height"]), float(row["seconds"])]
        bits = 8 * outcome.path.stat().st_size / float(row["seconds"])
        properties.append([float(Fraction(row["fps"])), *size, bits])
    return Clips(bags, np.array(properties))
