"""Measure what damaged picture and sound cost; write those sections of docs/robustness.md that were measured.

    python scripts/robustness_study.py synthetic
    python scripts/robustness_study.py composed --recordings /path/to/recordings

`composed` needs a folder with recordings.csv. Runs and features are kept in runs/ and beside the recordings; what is
there is not done again.
"""

import argparse
import sys
from pathlib import Path

import torch
from robustness_page import Setting, composed_section, synthetic_section

from avadclip.config import TrainingConfig, read_config
from avadclip.data.bags import Dataset
from avadclip.data.composed.damage import composed_damage
from avadclip.data.damage import FeatureDamage
from avadclip.data.datasets import load_dataset
from avadclip.errors import AvadclipError
from avadclip.evaluation.robustness import Damage, RobustnessReport, measure_robustness
from avadclip.evaluation.uncertainty import UncertaintyMeasures, measure_uncertainty
from avadclip.files import write_atomically
from avadclip.inference.checkpoint import Checkpoint, load_checkpoint
from avadclip.report.figures.panels import write_figure
from avadclip.report.figures.variance import draw_first_event
from avadclip.training.experiment import train

REPOSITORY = Path(__file__).parents[1]
RUNS = REPOSITORY / "runs" / "robustness"
IMAGES = REPOSITORY / "docs" / "images"
DISTILLATION_WEIGHT = 10.0  # of both students: features that follow the teacher are what theta is about
DAMAGED_SHARE = 0.25  # of the synthetic videos, as the visual student sees them; composed ones have damage of their own


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


def draw_variance(checkpoint: Checkpoint, dataset: Dataset, damage: Damage, name: str) -> None:
    """Picture for the page."""
    figure = draw_first_event(checkpoint, dataset, "test", damage)
    assert figure is not None, "both students are in the checkpoint"
    write_figure(figure, IMAGES / name)


def main() -> None:
    """Measure one kind of data, and write its section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=("synthetic", "composed"))
    parser.add_argument("--recordings", type=Path, help="folder with recordings.csv, for composed")
    parser.add_argument("--seeds", type=int, default=3, help="of the data and of the weights")
    arguments = parser.parse_args()
    match arguments.data:
        case "synthetic":
            section = synthetic_section(Setting("synthetic", "seed", measure_synthetic(arguments.seeds)))
        case _:
            reports, uncertainties = measure_composed(arguments.recordings, arguments.seeds)
            section = composed_section(Setting("composed", "seed", reports), uncertainties)
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
