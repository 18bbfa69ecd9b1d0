"""All systems side by side: on the synthetic benchmark, and by folds on the shared fights.

    AVADCLIP_DATA=/path/to/data python scripts/baselines_study.py [--seeds 3] [--processes 2]

Recipes made for 4,000 videos would leave some systems near where they began, so here all comparison systems take one
optimizer, for the same number of steps; all else is as in configs/baselines. AVadCLIP, and VadCLIP as its visual
student without the newer parts, follow AVadCLIP's recipes for such data. Finished runs are kept in runs/, a line each:
an interrupted study goes on with those that are missing. Writes the table of docs/baselines.md.
"""

import argparse
import functools
import hashlib
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from baselines_page import CONTROL, FIGHTS, RANDOM, STUDENT, SYNTHETIC, TEACHER, VADCLIP, Rows, write_table
from fights_data import Clips, read_clips
from fights_folds import (
    Candidate,
    OutOfFold,
    cross_validate,
    file_property_scores,
    frame_metrics,
    is_audible,
    pool_clip_scores,
)
from sklearn.metrics import average_precision_score
from synthetic_study import frame_ap, frame_truth

from avadclip.baselines.build import SYSTEMS
from avadclip.config import DistillationConfig, OptimizerConfig, TrainingConfig, read_config
from avadclip.data.datasets import load_dataset
from avadclip.errors import AvadclipError, DataError
from avadclip.files import write_atomically
from avadclip.training.loop import Supervision, train_network

REPOSITORY = Path(__file__).parents[1]
RECIPES = REPOSITORY / "configs"
OWN, NO_NETWORK = "avadclip", "no network"  # jobs of several rows, beside one for every comparison system
BATCH_SIZES = {SYNTHETIC: 32, FIGHTS: 16}
STEPS = {SYNTHETIC: 100, FIGHTS: 50}
NUM_SEQUENCES = 32  # to train on, of every fold
OPTIMIZER = OptimizerConfig(kind="adam", learning_rate=1e-3, weight_decay=1e-3, epochs=10, milestones=())
"""Of every comparison system but VadCLIP; tuned for none of them."""


class Job(NamedTuple):
    """One run, on one seed."""

    benchmark: str
    name: str
    """OWN, NO_NETWORK, or a comparison system."""
    seed: int
    steps: int
    size: str
    """Of the synthetic benchmark."""


def same_steps(recipe: TrainingConfig, job: Job, **changes: object) -> TrainingConfig:
    """The recipe with the job's seed and number of steps, in as many epochs as it has, and a batch that fits."""
    optimizer = recipe.optimizer.model_copy(
        update={
            "batch_size": BATCH_SIZES[job.benchmark],
            "steps_per_epoch": max(1, round(job.steps / recipe.optimizer.epochs)),
        }
    )
    return recipe.model_copy(update={"seed": job.seed, "optimizer": optimizer, **changes})


def recipes(job: Job) -> dict[str, TrainingConfig]:
    """What the job trains, by row, a teacher before its student."""
    if job.name == NO_NETWORK:
        return {}
    if job.name == OWN:
        return own_recipes(job)
    recipe = read_config(RECIPES / "baselines" / f"{job.name}.toml", TrainingConfig)
    return {job.name: same_steps(recipe.model_copy(update={"optimizer": OPTIMIZER}), job)}


def own_recipes(job: Job) -> dict[str, TrainingConfig]:
    """AVadCLIP's own networks, and the one without the newer parts."""
    undistilled = DistillationConfig(kind="none")
    if job.benchmark == SYNTHETIC:
        teacher, student = (
            read_config(RECIPES / "synthetic" / f"{kind}.toml", TrainingConfig)
            for kind in ("teacher", "visual_student")
        )
    else:
        student = read_config(RECIPES / "starter.toml", TrainingConfig).model_copy(
            update={"network_kind": "visual student"}
        )
        teacher = student.model_copy(update={"network_kind": "teacher", "distillation": undistilled})
    older = {
        "network": student.network.model_copy(update={"enhancement_blocks": 0}),
        "loss": student.loss.model_copy(update={"focal": False}),
        "distillation": undistilled,
    }
    return {
        TEACHER: same_steps(teacher, job),
        STUDENT: same_steps(student, job),
        VADCLIP: same_steps(student, job, **older),
    }


def key_of(job: Job) -> str:
    """What a finished run is known by; another recipe is another run."""
    recipe = "".join(recipe.model_dump_json() for recipe in recipes(job).values())
    size = job.size if job.benchmark == SYNTHETIC else f"{NUM_SEQUENCES} sequences"
    settings = f"{size}, {job.steps} steps, recipe {hashlib.sha256(recipe.encode()).hexdigest()[:8]}"
    return f"{job.benchmark}: {job.name}, seed {job.seed} ({settings})"


def run_synthetic(job: Job) -> Rows:
    """Frame AP on the test split of the last epoch."""
    dataset = load_dataset(f"synthetic:{job.size}", seed=job.seed)
    truth = frame_truth(dataset.test, dataset)
    if job.name == NO_NETWORK:
        scores = np.random.default_rng(job.seed).random(len(truth))
        return {RANDOM: {"synthetic AP": float(average_precision_score(truth, scores))}}
    rows, teacher = {}, None
    for row, recipe in recipes(job).items():
        supervision = Supervision(dataset.classes, teacher=teacher if row == STUDENT else None)
        trained = train_network(dataset.train, recipe, supervision).last
        rows[row] = {"synthetic AP": frame_ap(trained, dataset.test, dataset)}
        teacher = trained
    return rows


def run_fights(job: Job) -> Rows:
    """Out of fold, on the videos with audible sound."""
    clips = read_audible_clips()
    if job.name == NO_NETWORK:
        given = {
            CONTROL: file_property_scores(clips.bags, clips.properties, job.seed),
            RANDOM: np.random.default_rng(job.seed).random(len(clips.bags)),
        }
        return {row: _measures(pool_clip_scores(clips.bags, scores, job.seed)) for row, scores in given.items()}
    candidates = {
        row: Candidate(
            recipe, teacher=TEACHER if row == STUDENT else None, num_sequences=NUM_SEQUENCES, is_standardised=True
        )
        for row, recipe in recipes(job).items()
    }
    return {row: _measures(result) for row, result in cross_validate(candidates, clips.bags, job.seed).items()}


def _measures(result: OutOfFold) -> dict[str, float]:
    metrics = {arrangement: frame_metrics(pooled) for arrangement, pooled in result.pooled.items()}
    return {
        "isolated AP": metrics["isolated"][1],
        "block AP": metrics["blocks"][1],
        "alone AUC": metrics["alone"][0],
    }


@functools.cache
def read_audible_clips() -> Clips:
    """The clips that all systems can take."""
    if "AVADCLIP_DATA" not in os.environ:
        raise DataError("AVADCLIP_DATA is not set; name the folder that holds surveillance_fights/")
    folder = Path(os.environ["AVADCLIP_DATA"]) / "surveillance_fights"
    clips = read_clips(folder, REPOSITORY / "runs" / "starter-features")
    audible = is_audible(clips.bags)
    return Clips([bag for bag, is_in in zip(clips.bags, audible, strict=True) if is_in], clips.properties[audible])


def run_job(job: Job) -> tuple[Job, Rows]:
    """One run, in a process with one thread."""
    torch.set_num_threads(1)
    return job, run_synthetic(job) if job.benchmark == SYNTHETIC else run_fights(job)


def finish(jobs: list[Job], kept: Path, processes: int) -> dict[str, Rows]:
    """What all jobs gave, by key; those in the file are not run again, others are added to it one by one."""
    lines = kept.read_text(encoding="utf-8").splitlines() if kept.is_file() else []
    done: dict[str, Rows] = {}
    for line in lines:
        done |= json.loads(line)
    missing = [job for job in jobs if key_of(job) not in done]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for job, rows in pool.imap_unordered(run_job, missing):
            done[key_of(job)] = rows
            write_atomically(kept, "".join(json.dumps({key: value}) + "\n" for key, value in done.items()))
            print(f"{key_of(job)} done", flush=True)
    return done


def all_jobs(options: argparse.Namespace) -> Iterator[Job]:
    """Seed by seed, so that an early look has every system."""
    systems = options.only or [OWN, NO_NETWORK, *SYSTEMS]
    for seed in range(options.seeds):
        for benchmark in (SYNTHETIC, FIGHTS):
            for name in systems:
                yield Job(benchmark, name, seed, STEPS[benchmark], options.size)


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", default="quick", help="of the synthetic benchmark")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="systems, for a trial")
    parser.add_argument("--page", type=Path, default=REPOSITORY / "docs" / "baselines.md")
    options = parser.parse_args()
    jobs = list(all_jobs(options))
    read_audible_clips()  # features are extracted once, not by every process
    done = finish(jobs, REPOSITORY / "runs" / "baselines-study.jsonl", options.processes)
    results: dict[str, list[Rows]] = {SYNTHETIC: [], FIGHTS: []}
    for benchmark, seeds in results.items():
        for seed in range(options.seeds):
            own = [done[key_of(job)] for job in jobs if (job.benchmark, job.seed) == (benchmark, seed)]
            seeds.append({row: measures for rows in own for row, measures in rows.items()})
    settings = (
        f"`synthetic:{options.size}`, and {len(read_audible_clips().bags)} audible videos of the shared fights; "
        f"about {STEPS[SYNTHETIC]} and {STEPS[FIGHTS]} steps for every network."
    )
    write_table(options.page, results, settings=settings)


if __name__ == "__main__":
    try:
        main()
    except AvadclipError as error:
        sys.exit(f"baselines_study: {error}")
