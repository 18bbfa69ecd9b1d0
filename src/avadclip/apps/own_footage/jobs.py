"""The trainings of a run, one thread each, on all cores: every fold, and the networks that are kept."""

import hashlib
import json
import multiprocessing
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from avadclip import __version__
from avadclip.apps.own_footage.collect import ENCODERS
from avadclip.apps.own_footage.networks import own_recipe, starter
from avadclip.data import progress
from avadclip.data.bags import Bag, bin_bag, feature_widths
from avadclip.events import UNVALIDATED
from avadclip.files import write_atomically
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader, save_checkpoint
from avadclip.inference.networks import AUDIO_STUDENT, BOTH_STUDENTS, STUDENTS, VISUAL_STUDENT
from avadclip.inference.scoring import score_features
from avadclip.model.base import System
from avadclip.model.either import BothStudents
from avadclip.timeline import WINDOW_SNIPPETS
from avadclip.training.loop import Metrics, Step, Supervision, train_network

MOST_BYTES = 2 * 2**30  # of features in the memory of all processes
POLL_SECONDS = 0.2


class TrainingJob(NamedTuple):
    """One training of all students."""

    title: str
    learned: Sequence[Bag]
    scored: Sequence[Bag]
    """Videos to score afterwards."""
    classes: tuple[str, ...]
    students: tuple[str, ...]
    started: frozenset[str]
    """Students that begin with the weights of `starter`."""
    result: Path
    """JSON of a TrainedJob."""
    keeps: Path | None = None
    """Where the checkpoint goes, with thresholds that nothing was measured for; None: the networks are not kept."""

    @property
    def key(self) -> str:
        """Hash of all that decides the result; one that was stored under another key is made again."""
        parts = [
            [(bag.name, bag.group, bag.targets.tolist(), _content(bag)) for bag in bags]
            for bags in (self.learned, self.scored)
        ]
        recipes = [own_recipe(student).model_dump(mode="json") for student in self.students]
        decisive = [__version__, parts, self.classes, self.students, sorted(self.started), recipes]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()

    @property
    def num_steps(self) -> int:
        """Steps of the optimizer, of all students."""
        optimizers = [own_recipe(student).optimizer for student in self.students]
        return sum(each.epochs * (each.steps_per_epoch or 1) for each in optimizers)


class TrainedJob(BaseModel):
    """What is kept of a job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    metrics: dict[str, list[dict[str, Any]]]
    """By student, a line for every epoch."""
    scores: dict[str, dict[str, list[float]]]
    """By network, then by video: the anomaly score of every snippet."""


def run_jobs(jobs: Sequence[TrainingJob]) -> list[TrainedJob]:
    """Do what is not done yet, as many jobs at a time as there are cores and memory for."""
    done = {job.result: stored(job) for job in jobs}
    missing = [job for job in jobs if done[job.result] is None]
    if missing:
        context = multiprocessing.get_context("spawn")
        counter: Synchronized[int] = context.Value("q", 0)
        total = sum(job.num_steps for job in missing)
        with (
            progress.show_steps("training") as show,
            context.Pool(_num_processes(missing), _begin, (counter,)) as pool,
        ):
            running = pool.map_async(do, missing, chunksize=1)
            while not running.ready():
                show(f"training {len(missing)} times", counter.value, total)
                running.wait(POLL_SECONDS)
            for job, result in zip(missing, running.get(), strict=True):
                done[job.result] = result
    return [result for result in done.values() if result is not None]


def stored(job: TrainingJob) -> TrainedJob | None:
    """The result of an earlier run; None where there is none, or one of other footage or another recipe."""
    try:
        found = TrainedJob.model_validate_json(job.result.read_bytes())
    except (OSError, ValidationError):
        return None
    is_kept = job.keeps is None or job.keeps.is_file()
    return found if is_kept and found.key == job.key else None


def do(job: TrainingJob) -> TrainedJob:
    """Train, score, and keep the result; the weights first, so that a result never stands without them."""
    # Read once: every step takes some of them.
    learned = [replace(short, stored=short.stored.load()) for short in map(bin_bag, job.learned)]
    metrics: dict[str, list[Metrics]] = {}
    networks: dict[str, System] = {}
    for student in job.students:
        bags = [bag for bag in learned if student != AUDIO_STUDENT or bag.stored.has_usable_sound]
        start = starter().networks[student] if student in job.started else None
        trained = train_network(bags, own_recipe(student), Supervision(job.classes, start=start), on_step=_count_step)
        networks[student], metrics[student] = trained.last, trained.metrics
    if job.keeps is not None:
        save_checkpoint(job.keeps, _unmeasured(job, networks))
    result = TrainedJob(key=job.key, metrics=metrics, scores=_score(networks, job.scored))
    write_atomically(job.result, result.model_dump_json())
    return result


def _score(networks: Mapping[str, System], bags: Sequence[Bag]) -> dict[str, dict[str, list[float]]]:
    """Scores by network and video. Both students together score silent videos by the picture, as detection does."""
    every = dict(networks)
    if networks.keys() >= set(STUDENTS):
        every[BOTH_STUDENTS] = BothStudents(networks[VISUAL_STUDENT], networks[AUDIO_STUDENT])
    scores: dict[str, dict[str, list[float]]] = {name: {} for name in every}
    for bag in bags:
        features = bag.load()
        for name, network in every.items():
            if features.has_usable_sound or name != AUDIO_STUDENT:
                reader = network if features.has_usable_sound else networks[VISUAL_STUDENT]
                scores[name][bag.name] = score_features(reader, features).anomaly_scores.tolist()
    return scores


def _unmeasured(job: TrainingJob, networks: Mapping[str, System]) -> Checkpoint:
    """The networks of a job under a header that says all but what comes from measuring them."""
    visual_dim, audio_dim = feature_widths(job.learned)
    provenance = job.learned[0].stored.provenance
    assert provenance is not None, "feature files have one"
    header = CheckpointHeader(
        name=job.title,
        classes=job.classes,
        encoders=ENCODERS,
        features=provenance,
        visual_dim=visual_dim,
        audio_dim=audio_dim,
        network=own_recipe(VISUAL_STUDENT).network,
        thresholds=dict.fromkeys(networks, UNVALIDATED),
        selection=dict.fromkeys(networks, "last"),
        card="",
    )
    return Checkpoint(header, networks)


def _content(bag: Bag) -> str:
    """Hash of the video that the features are of, and how they were made."""
    features = bag.stored
    header = getattr(getattr(features, "shape", None), "header", None)
    return "" if header is None else f"{header.source_sha256} {header.provenance.model_dump_json()}"


def _num_processes(jobs: Sequence[TrainingJob]) -> int:
    most = max(
        sum(
            min(len(bag.stored), WINDOW_SNIPPETS) * (bag.stored.visual_width + bag.stored.audio_width)
            for bag in job.learned
        )
        for job in jobs
    )
    # Twice: the features are standardised in one piece.
    return max(1, min(len(jobs), os.cpu_count() or 1, MOST_BYTES // (2 * 4 * most)))


_steps_done: "Synchronized[int] | None" = None  # of all processes; only in a process of the pool


def _begin(counter: "Synchronized[int]") -> None:
    global _steps_done  # noqa: PLW0603  of this process, which the pool starts
    _steps_done = counter
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one ends the others


def _count_step(_: Step) -> None:
    if _steps_done is not None:
        with _steps_done.get_lock():
            _steps_done.value += 1
