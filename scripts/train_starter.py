"""Train the `starter` checkpoint, measure it out of fold by source, and write its model card.

    AVADCLIP_DATA=/path/to/data python scripts/train_starter.py

Needs the shared fights (`surveillance_fights/` with clips.csv) in AVADCLIP_DATA. Writes
src/avadclip/checkpoints/starter.safetensors and docs/starter.md; features are kept in runs/starter-features.
"""

import csv
import os
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from starter_card import Measured, write_card
from starter_folds import CLASSES, cross_validate, file_property_scores, truth_of

from avadclip.checkpoint import Checkpoint, CheckpointHeader, save_checkpoint
from avadclip.config import NetworkKind, TrainingConfig, read_config
from avadclip.data.bags import Bag
from avadclip.encoders.load import load_encoders
from avadclip.errors import AvadclipError, DataError
from avadclip.events import Thresholds
from avadclip.features.batch import extract_to_folder
from avadclip.features.store import read_features
from avadclip.training.loop import Supervision, train_network
from avadclip.training.thresholds import choose_thresholds

REPOSITORY = Path(__file__).parents[1]
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Clips:
    """The shared fights as bags, and what their files say without a look at a pixel."""

    bags: list[Bag]
    properties: NDArray[np.float64]
    """Frame rate, width, height, seconds, bits per second, [N, 5]."""


def read_clips(folder: Path) -> Clips:
    """Extract (or take over) the features of every clip; weak labels only."""
    encoders = load_encoders("lite")
    with (folder / "clips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    outcomes = extract_to_folder([folder / row["file"] for row in rows], REPOSITORY / "runs/starter-features", encoders)
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


def main() -> None:
    """Measure, train on everything, save, and write the card."""
    if "AVADCLIP_DATA" not in os.environ:
        raise DataError("AVADCLIP_DATA is not set; name the folder that holds surveillance_fights/")
    clips = read_clips(Path(os.environ["AVADCLIP_DATA"]) / "surveillance_fights")
    heard = [bag for bag in clips.bags if bag.features.has_usable_sound]
    trained_on: dict[NetworkKind, list[Bag]] = {"teacher": heard, "visual student": clips.bags}
    recipe = read_config(REPOSITORY / "configs/starter.toml", TrainingConfig)
    measured: dict[NetworkKind, Measured] = {}
    thresholds: dict[NetworkKind, Thresholds] = {}
    for kind, bags in trained_on.items():
        runs = [cross_validate(kind, bags, recipe.model_copy(update={"seed": seed})) for seed in SEEDS]
        measured[kind] = Measured(bags, runs)
        scores = np.concatenate([run.clip_scores for run in runs])
        thresholds[kind] = choose_thresholds(np.tile(truth_of(bags), len(runs)), scores)
        print(f"{kind}: measured on {len(bags)} clips, thresholds {thresholds[kind]}", file=sys.stderr)
    control = [file_property_scores(clips.bags, clips.properties, seed) for seed in SEEDS]
    card = write_card(recipe, measured, thresholds, control)
    provenance, first = clips.bags[0].features.provenance, heard[0].features
    assert provenance is not None
    assert first.audio is not None
    header = CheckpointHeader(
        name="starter",
        classes=CLASSES,
        encoders="lite",
        features=provenance,
        visual_dim=first.visual.shape[-1],
        audio_dim=first.audio.shape[-1],
        network=recipe.network,
        thresholds=thresholds,
        selection="last",
        card=card,
    )
    supervision = Supervision(CLASSES)
    networks = {kind: train_network(kind, bags, recipe, supervision).last for kind, bags in trained_on.items()}
    save_checkpoint(REPOSITORY / "src/avadclip/checkpoints/starter.safetensors", Checkpoint(header, networks))
    (REPOSITORY / "docs/starter.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)  # the nets are small: more threads cost more than they give
    try:
        main()
    except AvadclipError as error:
        sys.exit(f"train_starter: {error}")
