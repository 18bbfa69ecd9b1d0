"""Measure out of fold, train the `starter` checkpoint, and write both pages about it.

    AVADCLIP_DATA=/path/to/data python scripts/train_starter.py

Needs surveillance_fights/, surveillance_sounds/ and normal_videos/ in AVADCLIP_DATA. Writes
src/avadclip/checkpoints/starter.safetensors, docs/starter.md and docs/fights.md; features are kept in runs/starter.
"""

import functools
import multiprocessing
import os
import sys
from pathlib import Path

import torch
from starter_card import Measured, write_card, write_fights
from starter_data import NUM_FOLDS, Material, read_material
from starter_folds import PROBE, ROLES, OutOfFold, header_of, score_fold, train_role
from starter_measures import Shifts, add_both, choose, shifts

from avadclip.encoders.load import load_encoders
from avadclip.errors import AvadclipError, DataError
from avadclip.files import write_atomically
from avadclip.inference.checkpoint import Checkpoint, save_checkpoint
from avadclip.inference.familiarity import Familiarity
from avadclip.inference.networks import AUDIO_STUDENT, BOTH_STUDENTS, TEACHER, VISUAL_STUDENT
from avadclip.model.base import System
from avadclip.model.either import BothStudents

REPOSITORY = Path(__file__).parents[1]
SEEDS = (0, 1, 2)
NETWORKS = (TEACHER, VISUAL_STUDENT, AUDIO_STUDENT, BOTH_STUDENTS)
FOLDS = [(seed, fold) for seed in SEEDS for fold in range(NUM_FOLDS)]


def material() -> Material:
    """Of the shared data."""
    if "AVADCLIP_DATA" not in os.environ:
        raise DataError("AVADCLIP_DATA is not set; name the folder that holds surveillance_fights/")
    return read_material(
        Path(os.environ["AVADCLIP_DATA"]).resolve(), REPOSITORY / "runs/starter", load_encoders("lite")
    )


def compose(seed: int, fold: int) -> None:
    """Make the sequences of a fold, which every fold of its seed then reads."""
    for split in ("train", "test"):
        _material().sequences(seed, split, fold)


def score(seed: int, fold: int) -> OutOfFold:
    """See score_fold."""
    return score_fold(_material(), seed, fold)


@functools.cache
def _material() -> Material:
    """One a process."""
    torch.set_num_threads(1)
    return material()


def measure() -> Measured:
    """All networks out of fold, on all cores, one thread each: the networks are small."""
    own = _material()  # before any other process needs its features
    with multiprocessing.get_context("spawn").Pool(min(len(FOLDS), os.cpu_count() or 1)) as pool:
        pool.starmap(compose, FOLDS, chunksize=1)
        parts = pool.starmap(score, FOLDS, chunksize=1)
    runs = {seed: OutOfFold() for seed in SEEDS}
    for (seed, _), part in zip(FOLDS, parts, strict=True):
        runs[seed].add(part)
    by = shifts(list(runs.values()), own)
    add_both(list(runs.values()), by)
    thresholds = {name: choose(list(runs.values()), own, name) for name in NETWORKS}
    return Measured(own, runs, by, thresholds)


def train_shipped(own: Material, by: Shifts) -> dict[str, System]:
    """The networks of the checkpoint, from everything of one seed."""
    composed = [bag for fold in range(NUM_FOLDS) for bag in own.sequences(SEEDS[0], "train", fold)]
    videos = [*own.fights, *own.ordinary]
    networks = {name: train_role(name, composed, videos, seed=SEEDS[0]) for name in ROLES if name != PROBE}
    for name, shift in ((VISUAL_STUDENT, by.visual), (AUDIO_STUDENT, by.audio)):
        (layer,) = networks[name].linear.values()
        layer.linear.bias.data -= shift
    return networks


def main() -> None:
    """Measure, train on everything, save, and write the pages."""
    measured = measure()
    own, card = measured.material, write_card(measured)
    networks = train_shipped(own, measured.shifts)
    networks[BOTH_STUDENTS] = BothStudents(networks[VISUAL_STUDENT], networks[AUDIO_STUDENT])
    videos = [*own.fights, *own.ordinary]
    header = header_of("starter", own.sequences(SEEDS[0], "test", 0)[0], measured.thresholds)
    header = header.model_copy(update={"default": measured.default, "card": card})
    familiarity = Familiarity.fit([bag.load() for bag in videos], [bag.group for bag in videos])
    checkpoint = Checkpoint(header, networks, familiarity)
    save_checkpoint(REPOSITORY / "src/avadclip/checkpoints/starter.safetensors", checkpoint)
    write_atomically(REPOSITORY / "docs/starter.md", card)
    write_atomically(REPOSITORY / "docs/fights.md", write_fights(measured))


if __name__ == "__main__":
    try:
        main()
    except AvadclipError as error:
        sys.exit(f"train_starter: {error}")
