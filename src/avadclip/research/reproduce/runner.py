"""Runner of a plan's trainings and tests, one after the other; finished runs are not repeated.

OUT/runs/NAME/seed-S-IDENTITY/    a run folder of `avadclip train`, and in it
    finished.json                 what the run was: recipe, teacher, data, version; written when it has been trained
    tested-on-first.json          its report on the test split of the first dataset; or of the second

IDENTITY is a hash of the run's definition. A change of the recipe, the plan or the data gives another folder and a new
run.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from avadclip import __version__
from avadclip.config import DataConfig, TrainingConfig
from avadclip.data.bags import Dataset
from avadclip.errors import AvadclipError
from avadclip.evaluation.metrics.records import Report
from avadclip.files import write_atomically
from avadclip.research.reproduce.as_published import select_on_test
from avadclip.research.reproduce.measuring import measure_checkpoint, measure_random
from avadclip.research.reproduce.plans import Run, Side, TableJob
from avadclip.research.reproduce.recipes import recipe_of_run
from avadclip.research.reproduce.sources import Sources
from avadclip.training.experiment import follow_recipe
from avadclip.training.run_folder import BEST

FINISHED = "finished.json"
RUNS = "runs"


class RunOutcome(NamedTuple):
    """Outcome of one job and seed."""

    report: Report | None
    problem: str = ""
    """Why there is no report."""


Outcomes = Mapping[tuple[TableJob, int], RunOutcome]
"""By job and seed."""


def run_jobs(
    jobs: Sequence[TableJob],
    sources: Sources,
    out: Path,
    *,
    num_seeds: int,
    best_on_test: bool = False,
    on_job: Callable[[TableJob, int], None] | None = None,
) -> Outcomes:
    """Run every job for seeds 0 .. num_seeds - 1, or read its earlier result.

    A job with an unusable recipe or unusable data fails with the reason in its outcome, and the others continue.

    Args:
        jobs: each once.
        sources: of every side that the jobs name.
        out: folder to keep the runs in.
        num_seeds: at least 1.
        best_on_test: choose every run's epoch by the test split; see as_published.
        on_job: called before every job.

    Raises:
        AvadclipError: a dataset cannot be read at all, or the first has nothing to test on.
    """
    outcomes: dict[tuple[TableJob, int], RunOutcome] = {}
    first = SeedRuns(sources, out, seed=0, best_on_test=best_on_test)
    for side in {job.tested_on for job in jobs}:
        first.load(side).dataset.bags_of("test")
    for seed in range(num_seeds):
        runs = SeedRuns(sources, out, seed, best_on_test) if seed else first
        for job in jobs:
            if on_job is not None:
                on_job(job, seed)
            try:
                outcomes[job, seed] = RunOutcome(runs.test(job))
            except AvadclipError as error:
                outcomes[job, seed] = RunOutcome(None, str(error))
    return outcomes


@dataclass
class SeedRuns:
    """All runs of one seed."""

    sources: Sources
    out: Path
    seed: int
    best_on_test: bool = False
    """See as_published."""
    _loaded: dict[Side, "LoadedSource"] = field(default_factory=dict, init=False)

    def test(self, job: TableJob) -> Report:
        """The report of a job, from its file where it was done before; raises AvadclipError."""
        loaded = self.load(job.tested_on)
        if job.run.recipe is None:
            return measure_random(loaded.dataset, self.seed)
        trained = self.train(job.run)
        file = trained.folder / f"tested-on-{job.tested_on}.json"
        if file.is_file():
            kept = Tested.model_validate_json(file.read_bytes())
            if kept.data == loaded.fingerprint:
                return kept.report
        is_foreign = job.tested_on != job.run.trained_on
        report = measure_checkpoint(trained.folder / BEST, trained.kind, loaded.dataset, is_foreign=is_foreign)
        write_atomically(file, Tested(data=loaded.fingerprint, report=report).model_dump_json(indent=2) + "\n")
        return report

    def train(self, run: Run) -> "TrainedRun":
        """Train a run where that was not done before, its teacher first; raises AvadclipError."""
        teacher = None if run.teacher is None else self.train(run.teacher).folder
        config = self.resolve(run)
        what = {
            "avadclip": __version__,
            "name": run.name,
            "recipe": config.model_dump(mode="json"),
            "teacher": None if teacher is None else f"{teacher.parent.name}/{teacher.name}",
            "data": self.load(run.trained_on).fingerprint,
            **({"selection": "test"} if self.best_on_test else {}),
        }
        folder = self.out / RUNS / run.name / f"seed-{self.seed}-{_hash(what)}"
        if not (folder / FINISHED).is_file():
            data = self.load(run.trained_on).dataset
            # Distillation is what Table 6 measures, so it is not left out where a student does better than its teacher.
            follow_recipe(
                config,
                data,
                folder,
                teacher=None if teacher is None else teacher / BEST,
                force=True,
                on_test=select_on_test(data, config.network_kind) if self.best_on_test else None,
            )
            write_atomically(folder / FINISHED, json.dumps(what, indent=2) + "\n")
        return TrainedRun(folder, config.network_kind)

    def resolve(self, run: Run) -> TrainingConfig:
        """The recipe with everything that the plan, the seed and the data decide; raises AvadclipError."""
        source = self.sources[run.trained_on]
        given: dict[str, object] = {
            "seed": self.seed + source.seed_offset,
            "data": DataConfig(source=source.spec, features=source.features),
        }
        provenance = self.load(run.trained_on).dataset.bags_of("train")[0].stored.provenance
        if provenance is not None:  # published features do not say what made them: it is CLIP, the default
            given["encoders"] = provenance.visual["name"]
        return recipe_of_run(run, source.recipes, **given)

    def load(self, side: Side) -> "LoadedSource":
        """The dataset of a side, read once; raises AvadclipError."""
        if side not in self._loaded:
            self._loaded[side] = LoadedSource(self.sources[side].load(self.seed))
        return self._loaded[side]


class Tested(BaseModel):
    """Stored result of a job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    """Fingerprint of what it was tested on."""
    report: Report


class TrainedRun(NamedTuple):
    """A run that has been trained."""

    folder: Path
    kind: str
    """Which of the networks in its checkpoint: a student has its teacher beside it."""


@dataclass(frozen=True)
class LoadedSource:
    """A dataset and its fingerprint."""

    dataset: Dataset

    @cached_property
    def fingerprint(self) -> str:
        """Of names, lengths, labels and times of all videos; the features themselves are not read."""
        described = [
            (
                split,
                bag.name,
                len(bag.stored),
                bag.stored.audio_width,
                bag.targets.tolist(),
                bag.intervals,
                bag.anomalous_spans,
            )
            for split in ("train", "validation", "test")
            for bag in getattr(self.dataset, split)
        ]
        return _hash([self.dataset.name, self.dataset.classes, described])


def _hash(values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
