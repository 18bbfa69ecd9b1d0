"""The paper's claims, and all systems side by side, on composed data.

    python scripts/composed_study.py FOLDER [--size small] [--seeds 10 15] [--processes 2]
    python scripts/composed_study.py FOLDER --front --seeds 10 20

FOLDER holds recordings.csv (scripts/composed_recordings.py). Every system has the same eight trials, on the validation
sequences of a seed that no table uses; the best is trained on every seed and scored on its test sequences. Scores are
kept in runs/composed, so that an interrupted study goes on, and the pages are made again without a run.
Writes docs/composed.md and the table of docs/baselines.md. Every figure is composed.
"""

import argparse
import multiprocessing
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from composed_page import FRONT, Results, frame_ap, write_front, write_pages
from composed_runs import Candidate, Run, Study, Trial, candidates, distilled

from avadclip.errors import AvadclipError
from avadclip.inference.networks import STUDENTS, TEACHER

TRIAL_SEED = 100  # of data and weights; developed on 100, 101 and 0 to 9, which no table uses
TRIALS: tuple[Trial, ...] = tuple(product((1e-4, 2e-4, 5e-4, 1e-3), (10, 20)))
WEIGHTS = (0.1, 1.0, 10.0, 100.0)  # of both kinds of distillation
KINDS = ("mse", "uncertainty")
SLOW = ("rtfm", "ur-dmu", "clip-tsa", "efficient-prompt")  # wide layers over wide features


class Job(NamedTuple):
    """One run, and the trial of the teacher that it learns from."""

    run: Run
    teacher_trial: Trial | None = None


_study: Study


def begin(source: str) -> None:
    """In every process."""
    global _study  # noqa: PLW0603  one per process
    _study = Study(source)


def compose(seed: int) -> None:
    """Make the sequences of a seed, which every process then reads."""
    _study.dataset(seed)


def do(job: Job) -> float:
    """Run what is not done yet; frame AP of the split."""
    outcome = _study.outcome(*job)
    ap = frame_ap(outcome.scores, _study.dataset(job.run.seed).bags_of(job.run.split))
    print(f"{job.run.split} {job.run.seed} {job.run.candidate.name} {job.run.trial}: {ap:.3f}", flush=True)
    return ap


def choose_trials(rows: Sequence[Candidate], finish: "Finish") -> dict[str, Trial]:
    """The best of the eight trials of every row on validation, and of the weights of every distilled student."""
    own = [row for row in rows if not row.trials_of]
    jobs = {(row.name, trial): Job(Run(row, trial, TRIAL_SEED, "validation")) for row in own for trial in TRIALS}
    aps = finish(jobs)
    return {row.name: max(TRIALS, key=lambda trial: aps[row.name, trial]) for row in own}


def choose_weights(trials: dict[str, Trial], finish: "Finish") -> list[Candidate]:
    """Both kinds of distillation of both students, each with the best of its weights on validation."""
    tried = {
        (student, how): [distilled(student, how, weight) for weight in WEIGHTS] for student in STUDENTS for how in KINDS
    }
    jobs = {
        (student, how, row.distillation.weight): Job(
            Run(row, trials[student], TRIAL_SEED, "validation"), trials[TEACHER]
        )
        for (student, how), rows in tried.items()
        for row in rows
    }
    aps = finish(jobs)
    return [max(rows, key=lambda row: aps[*key, row.distillation.weight]) for key, rows in tried.items()]


class Finish:
    """Finishes jobs in several processes."""

    def __init__(self, source: str, seeds: Sequence[int], processes: int) -> None:
        self._pool = multiprocessing.get_context("spawn").Pool(processes, begin, (source,))
        self._pool.map(compose, seeds, chunksize=1)

    def __call__(self, jobs: dict[tuple, Job]) -> dict[tuple, float]:  # type: ignore[type-arg]
        """Frame AP by the keys of the jobs."""
        return dict(zip(jobs, self._pool.imap(do, jobs.values()), strict=True))


def score(
    rows: Sequence[Candidate], trials: Mapping[str, Trial], seeds: Sequence[int], finish: Finish
) -> list[Results]:
    """Train every row on every seed, and score its test sequences."""
    jobs = {
        (row.name, seed): Job(
            Run(row, trials[row.trials_of or row.name], seed, "test"), trials[TEACHER] if row.teacher else None
        )
        for seed in seeds
        for row in rows
    }
    finish(jobs)
    return [
        Results(_study.dataset(seed).test, {row.name: _study.outcome(*jobs[row.name, seed]) for row in rows})
        for seed in seeds
    ]


def study_all(seeds: Sequence[int], finish: Finish) -> None:
    """All rows of both pages."""
    rows: list[Candidate] = []
    trials: dict[str, Trial] = {}
    for are_slow in (False, True):  # so that an early look has all that is fast
        group = [row for row in candidates().values() if (row.name in SLOW) is are_slow]
        trials |= choose_trials(group, finish)
        rows += group if are_slow else [*group, *choose_weights(trials, finish)]
        write_pages(score(rows, trials, seeds, finish), rows, trials)


def study_front(seeds: Sequence[int], finish: Finish) -> None:
    """The rows whose differences take more seeds to tell."""
    rows = [candidates()[name] for name in FRONT]
    write_front(score(rows, choose_trials(rows, finish), seeds, finish))


def main() -> None:
    """Run what is missing, then write the pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", default="small")
    parser.add_argument("--seeds", type=int, nargs=2, default=(10, 15), metavar=("FIRST", "END"))
    parser.add_argument("--front", action="store_true", help="only the rows and the section that have more seeds")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    source = f"composed:{options.size}:{options.folder}"
    begin(source)
    seeds = range(*options.seeds)
    (study_front if options.front else study_all)(seeds, Finish(source, [TRIAL_SEED, *seeds], options.processes))


if __name__ == "__main__":
    try:
        main()
    except AvadclipError as error:
        sys.exit(f"composed_study: {error}")
