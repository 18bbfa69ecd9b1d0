"""Measure what damaged picture and sound cost; write those sections of docs/robustness.md that were measured.

    python scripts/robustness_study.py synthetic
    python scripts/robustness_study.py composed --recordings /path/to/recordings
    AVADCLIP_DATA=/path/to/data python scripts/robustness_study.py fights

`fights` needs `surveillance_fights/` with clips.csv in AVADCLIP_DATA, `composed` a folder with recordings.csv. Runs and
features are kept in runs/ and beside the recordings; what is there is not done again.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from fights_data import CLASSES, Clips, read_clips
from fights_folds import SEQUENCES_PER_FOLD, compose, folds, is_audible, join_features, train_candidate
from robustness_page import Setting, composed_section, fights_section, synthetic_section
from train_starter import STUDENT, TEACHER, build_candidates

from avadclip.config import TrainingConfig, read_config
from avadclip.data.bags import Bag, Dataset, Interval, feature_widths
from avadclip.data.composed.damage import composed_damage
from avadclip.data.damage import FeatureDamage, delay_rows
from avadclip.data.damaged_videos import VideoDamage
from avadclip.data.datasets import load_dataset
from avadclip.encoders.load import load_encoders
from avadclip.errors import AvadclipError, DataError
from avadclip.evaluation.robustness import Damage, RobustnessReport, measure_robustness
from avadclip.evaluation.uncertainty import UncertaintyMeasures, measure_uncertainty
from avadclip.events import UNVALIDATED
from avadclip.features.snippets import SnippetFeatures
from avadclip.files import write_atomically
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader, load_checkpoint
from avadclip.media.damage import DamageName
from avadclip.model.base import System
from avadclip.report.figures.panels import write_figure
from avadclip.report.figures.variance import draw_first_event
from avadclip.timeline import SnippetGrid
from avadclip.training.experiment import train

REPOSITORY = Path(__file__).parents[1]
RUNS = REPOSITORY / "runs" / "robustness"
IMAGES = REPOSITORY / "docs" / "images"
FIGHTS_SEED = 0
DISTILLATION_WEIGHT = 10.0  # of both students: features that follow the teacher are what theta is about
DAMAGED_SHARE = 0.25  # of the synthetic videos, as the visual student sees them; composed ones have damage of their own
NETWORKS = {"teacher": TEACHER, "visual student": STUDENT, "audio student": "audio student"}
GRID = SnippetGrid()


def measure_synthetic(num_seeds: int) -> list[RobustnessReport]:
    """One report per seed, of the data and of the weights; a picture of sigma^2 of the first."""
    reports = []
    for seed in range(num_seeds):
        dataset = load_dataset("synthetic:small", seed=seed)
        checkpoint = train_on(dataset, RUNS / f"synthetic-{seed}", seed)
        damage = FeatureDamage(dataset.test, dataset.grid)
        reports.append(measure_robustness(checkpoint, dataset, "test", damage))
        if seed == 0:
            draw_variance(checkpoint, dataset, damage, "robustness-variance-synthetic.png")
    return reports


def measure_composed(recordings: Path, num_seeds: int) -> tuple[list[RobustnessReport], list[UncertaintyMeasures]]:
    """One report per seed, and what theta of its visual student shows in the sequences that are damaged in part."""
    reports, uncertainties = [], []
    for seed in range(num_seeds):
        dataset = load_dataset(f"composed:small:{recordings}", seed=seed)
        checkpoint = train_on(dataset, RUNS / f"composed-{seed}", seed)
        damage = composed_damage(f"small:{recordings}", "test", seed=seed)
        reports.append(measure_robustness(checkpoint, dataset, "test", damage))
        audible = [bag for bag in dataset.test if bag.stored.has_usable_sound]
        networks = checkpoint.networks
        uncertainties.append(measure_uncertainty(networks["visual student"], networks["teacher"], audible))
        if seed == 0:
            draw_variance(checkpoint, dataset, damage, "robustness-variance-composed.png")
    return reports, uncertainties


def train_on(dataset: Dataset, folder: Path, seed: int) -> Checkpoint:
    """Teacher, chosen on validation, and both students after the last epoch; the visual student sees damaged copies.

    The epoch that is best on validation is an early one, when theta has hardly learned.
    """
    teacher = folder / "teacher" / "best.safetensors"
    for name in ("teacher", "visual_student", "audio_student"):
        recipe = read_config(REPOSITORY / f"configs/synthetic/{name}.toml", TrainingConfig)
        encoders = recipe.encoders if dataset.is_synthetic else "lite"
        recipe = recipe.model_copy(update={"seed": seed, "data": None, "encoders": encoders})
        if name != "teacher":
            share = DAMAGED_SHARE if name == "visual_student" else 0.0
            changes = {"damaged_share": share, "weight": DISTILLATION_WEIGHT}
            recipe = recipe.model_copy(update={"distillation": recipe.distillation.model_copy(update=changes)})
        own_teacher = None if name == "teacher" else teacher
        train(recipe, dataset, out=folder / name, teacher=own_teacher, force=True)
    visual, audio = (
        load_checkpoint(folder / name / "last.safetensors") for name in ("visual_student", "audio_student")
    )
    header = visual.header.model_copy(
        update={
            "name": "recipes of configs/synthetic",
            "thresholds": {**visual.header.thresholds, **audio.header.thresholds},
            "selection": {**visual.header.selection, **audio.header.selection},
        }
    )
    return Checkpoint(header, {**visual.networks, **audio.networks})


@dataclass(frozen=True)
class ClipDamage:
    """Clips are damaged one by one, then composed; late sound crosses from clip to clip, as in one recording."""

    clips: VideoDamage
    sequences: Sequence[Sequence[int]]
    """Numbers of the clips in each."""
    clean: Sequence[Bag]
    of: Literal["videos"] = "videos"

    def __call__(self, index: int, damage: DamageName) -> SnippetFeatures:
        """Features of sequence number `index` under a damage."""
        if damage != "late":
            return join_features([self.clips(clip, damage) for clip in self.sequences[index]])
        features = self.clean[index].load()
        assert features.audio is not None, "only audible clips are composed"
        return replace(features, audio=delay_rows(features.audio, GRID))


def measure_fights(clips: Clips) -> dict[str, list[RobustnessReport]]:
    """By setting, one report per fold: networks score only clips of recordings that they never learned from."""
    bags, audible = clips.bags, is_audible(clips.bags)
    candidates = build_candidates(read_config(REPOSITORY / "configs/starter.toml", TrainingConfig))
    encoders = load_encoders("lite-1")
    reports: dict[str, list[RobustnessReport]] = {"alone": [], "isolated": [], "blocks": []}
    for fold, (training, test) in enumerate(folds(bags, FIGHTS_SEED)):
        trained: dict[str, System] = {}
        for name in NETWORKS.values():
            own = [bags[i] for i in training if audible[i] or not candidates[name].audible_only]
            trained[name] = train_candidate(candidates[name], own, FIGHTS_SEED, trained)
        checkpoint = as_checkpoint(trained, bags)
        test_clips = [bags[i] for i in test if audible[i]]
        videos = [data_folder() / bag.name for bag in test_clips]
        of_clips = VideoDamage(test_clips, videos, encoders, RUNS / "features")
        alone = as_dataset("clips alone", [timed(bag.name, [bag]) for bag in test_clips])
        reports["alone"].append(measure_robustness(checkpoint, alone, "test", of_clips))
        place = {bag.name: number for number, bag in enumerate(test_clips)}
        draw = np.random.default_rng([FIGHTS_SEED, fold])
        for arrangement in ("isolated", "blocks"):
            sequences = [compose(test_clips, arrangement, draw) for _ in range(SEQUENCES_PER_FOLD)]
            composed = [timed(f"{arrangement} {fold}-{number}", each) for number, each in enumerate(sequences)]
            damage = ClipDamage(of_clips, [[place[bag.name] for bag in each] for each in sequences], composed)
            dataset = as_dataset(arrangement, composed)
            reports[arrangement].append(measure_robustness(checkpoint, dataset, "test", damage))
            if fold == 0 and arrangement == "blocks":
                draw_variance(checkpoint, dataset, damage, "robustness-variance-fights.png")
    return reports


def timed(name: str, sequence: Sequence[Bag]) -> Bag:
    """The clips as one video, whose fights have times."""
    features = join_features([bag.load() for bag in sequence])
    ends = np.cumsum([len(bag.load()) for bag in sequence]) * GRID.snippet_seconds
    starts = [0.0, *ends[:-1]]
    intervals = [
        Interval(CLASSES[1], float(start), float(end))
        for bag, start, end in zip(sequence, starts, ends, strict=True)
        if bag.is_anomalous
    ]
    targets = np.array([not intervals, bool(intervals)], dtype=np.float32)
    stored = replace(features, duration_seconds=float(ends[-1]))
    return Bag(name, name, stored, targets, tuple(intervals))


def as_dataset(name: str, bags: Sequence[Bag]) -> Dataset:
    """Only a test split."""
    return Dataset(f"shared fights, {name}", CLASSES, GRID, (), (), tuple(bags))


def as_checkpoint(trained: Mapping[str, System], bags: Sequence[Bag]) -> Checkpoint:
    """The networks of one fold."""
    provenance = bags[0].stored.provenance
    assert provenance is not None
    visual_dim, audio_dim = feature_widths(bags)
    header = CheckpointHeader(
        name="networks that never saw these recordings",
        classes=CLASSES,
        encoders="lite-1",
        features=provenance,
        visual_dim=visual_dim,
        audio_dim=audio_dim,
        network=read_config(REPOSITORY / "configs/starter.toml", TrainingConfig).network,
        thresholds=dict.fromkeys(NETWORKS, UNVALIDATED),
        selection=dict.fromkeys(NETWORKS, "last"),
        card="",
    )
    return Checkpoint(header, {kind: trained[name] for kind, name in NETWORKS.items()})


def draw_variance(checkpoint: Checkpoint, dataset: Dataset, damage: Damage, name: str) -> None:
    """Picture for the page."""
    figure = draw_first_event(checkpoint, dataset, "test", damage)
    assert figure is not None, "both students are in the checkpoint"
    write_figure(figure, IMAGES / name)


def data_folder() -> Path:
    """Where the shared fights are."""
    if "AVADCLIP_DATA" not in os.environ:
        raise DataError("AVADCLIP_DATA is not set; name the folder that holds surveillance_fights/")
    return Path(os.environ["AVADCLIP_DATA"]) / "surveillance_fights"


def main() -> None:
    """Measure one kind of data, and write its section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=("synthetic", "composed", "fights"))
    parser.add_argument("--recordings", type=Path, help="folder with recordings.csv, for composed")
    parser.add_argument("--seeds", type=int, default=3, help="of the data and of the weights; folds of fights are five")
    arguments = parser.parse_args()
    match arguments.data:
        case "synthetic":
            section = synthetic_section(Setting("synthetic", "seed", measure_synthetic(arguments.seeds)))
        case "composed":
            reports, uncertainties = measure_composed(arguments.recordings, arguments.seeds)
            section = composed_section(Setting("composed", "seed", reports), uncertainties)
        case _:
            measured = measure_fights(read_clips(data_folder(), REPOSITORY / "runs/starter-features"))
            section = fights_section({name: Setting(name, "fold", reports) for name, reports in measured.items()})
    for setting in section.settings:
        write_figure(setting.draw(), IMAGES / f"robustness-{setting.name}.png")
    page = REPOSITORY / "docs/robustness.md"
    write_atomically(page, section.replace_in(page.read_text()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    try:
        main()
    except AvadclipError as error:
        sys.exit(f"robustness_study: {error}")
