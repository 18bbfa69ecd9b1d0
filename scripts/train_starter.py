"""Measure every system on the shared fights, train the `starter` checkpoint, and write both pages about it.

    AVADCLIP_DATA=/path/to/data python scripts/train_starter.py

Needs the shared fights (`surveillance_fights/` with clips.csv) in AVADCLIP_DATA. Writes
src/avadclip/checkpoints/starter.safetensors, docs/starter.md and docs/fights.md; features are kept in
runs/starter-features.
"""

import functools
import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from fights_data import CLASSES, Clips, read_clips
from fights_folds import Candidate, OutOfFold, cross_validate, file_property_scores, is_audible, truth_of
from fights_page import Measured, write_page
from starter_card import write_card

from avadclip.config import AS_PUBLISHED, DistillationConfig, TrainingConfig, read_config
from avadclip.data.bags import Bag, feature_widths
from avadclip.errors import AvadclipError, DataError
from avadclip.evaluation.metrics.thresholds import choose_thresholds
from avadclip.events import Thresholds
from avadclip.files import write_atomically
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader, save_checkpoint
from avadclip.model.base import System
from avadclip.training.loop import Supervision, train_network

REPOSITORY = Path(__file__).parents[1]
SEEDS = (0, 1, 2)
TEACHER, STUDENT, PLAIN_STUDENT = "teacher", "visual student", "visual student, no teacher"
SHIPPED = {"teacher": TEACHER, "visual student": STUDENT}


def build_candidates(recipe: TrainingConfig) -> dict[str, Candidate]:
    """What is measured, a teacher before its students."""

    def variant(kind: str, *, distilled: bool = False) -> TrainingConfig:
        distillation = recipe.distillation if distilled else DistillationConfig(kind="none")
        return recipe.model_copy(update={"network_kind": kind, "distillation": distillation})

    visual, audio = variant("visual student"), variant("audio student")
    vadclip = visual.model_copy(
        update={
            "network": recipe.network.model_copy(update={"enhancement_blocks": 0, **AS_PUBLISHED}),
            "loss": recipe.loss.model_copy(update={"focal": False}),
        }
    )
    return {
        TEACHER: Candidate(variant("teacher"), audible_only=True),
        STUDENT: Candidate(variant("visual student", distilled=True), teacher=TEACHER),
        PLAIN_STUDENT: Candidate(visual),
        "audio student": Candidate(variant("audio student", distilled=True), teacher=TEACHER, audible_only=True),
        "audio student, no teacher": Candidate(audio, audible_only=True),
        "VadCLIP-like: no sound, no teacher": Candidate(vadclip),
        "zero features": Candidate(visual, is_blind=True),
    }


def measure(candidates: dict[str, Candidate], clips: Clips) -> Measured:
    """All candidates out of fold, seed by seed; on all cores, one thread each: the nets are small."""
    with multiprocessing.get_context("spawn").Pool(min(len(SEEDS), os.cpu_count() or 1), _use_one_thread) as pool:
        runs = pool.map(functools.partial(cross_validate, candidates, clips.bags), SEEDS, chunksize=1)
    control = [file_property_scores(clips.bags, clips.properties, seed) for seed in SEEDS]
    return Measured(clips.bags, {name: [run[name] for run in runs] for name in candidates}, control)


def thresholds_of(runs: Sequence[OutOfFold], bags: Sequence[Bag]) -> Thresholds:
    """Chosen on the out-of-fold scores of all seeds together."""
    scores = np.concatenate([run.clip_scores for run in runs])
    which = np.isfinite(scores)
    return choose_thresholds(np.tile(truth_of(bags), len(runs))[which], scores[which])


def train_shipped(candidates: dict[str, Candidate], bags: Sequence[Bag]) -> dict[str, System]:
    """The networks of the checkpoint, from every clip that each may learn from."""
    audible = [bag for bag, is_in in zip(bags, is_audible(bags), strict=True) if is_in]
    teacher = train_network(audible, candidates[TEACHER].recipe, Supervision(CLASSES)).last
    supervision = Supervision(CLASSES, teacher=teacher)
    student = train_network(bags, candidates[STUDENT].recipe, supervision).last
    return {"teacher": teacher, "visual student": student}


def main() -> None:
    """Measure, train on everything, save, and write the pages."""
    if "AVADCLIP_DATA" not in os.environ:
        raise DataError("AVADCLIP_DATA is not set; name the folder that holds surveillance_fights/")
    data = Path(os.environ["AVADCLIP_DATA"])
    clips = read_clips(data / "surveillance_fights", REPOSITORY / "runs/starter-features")
    recipe = read_config(REPOSITORY / "configs/starter.toml", TrainingConfig)
    candidates = build_candidates(recipe)
    measured = measure(candidates, clips)
    thresholds = {kind: thresholds_of(measured.runs[name], clips.bags) for kind, name in SHIPPED.items()}
    card = write_card(recipe, measured, SHIPPED, thresholds)
    provenance = clips.bags[0].stored.provenance
    assert provenance is not None
    visual_dim, audio_dim = feature_widths(clips.bags)
    header = CheckpointHeader(
        name="starter",
        classes=CLASSES,
        encoders="lite-1",
        features=provenance,
        visual_dim=visual_dim,
        audio_dim=audio_dim,
        network=recipe.network,
        thresholds=thresholds,
        selection=dict.fromkeys(SHIPPED, "last"),
        card=card,
    )
    checkpoint = Checkpoint(header, train_shipped(candidates, clips.bags))
    save_checkpoint(REPOSITORY / "src/avadclip/checkpoints/starter.safetensors", checkpoint)
    write_atomically(REPOSITORY / "docs/starter.md", card)
    page = write_page(measured, student=STUDENT, plain_student=PLAIN_STUDENT, teacher=TEACHER)
    write_atomically(REPOSITORY / "docs/fights.md", page)


def _use_one_thread() -> None:
    torch.set_num_threads(1)


if __name__ == "__main__":
    _use_one_thread()
    try:
        main()
    except AvadclipError as error:
        sys.exit(f"train_starter: {error}")
