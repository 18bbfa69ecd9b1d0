"""Damage small videos of every container in every way that we know, score them, and count what went unsaid.

    python scripts/mutated_media.py [--count 1000] [--only NUMBER]

Needs the ffmpeg program, which makes the videos and is asked whether it complains about the damaged ones. Prints
tables, and writes what is to be looked at to runs/mutated-media/findings.json. A video's damage follows from its
number alone: `--only NUMBER` makes it again, keeps it, and prints what came of it. Ends with code 1 where a process
crashed, hung or raised anything but our own errors, or where silent changes reach 5 %.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from media_bases import WITHOUT_TIMES, Base, all_bases
from media_mutations import KINDS, appended, mutate
from media_trial import Answer, Worker

FOLDER = Path(__file__).parents[1] / "runs" / "mutated-media"
SEED = 14
LIMIT_SECONDS = 60.0  # for one video, on a busy machine; most take a hundredth of it
MAX_CHANGE = 0.05  # of a score, that may go unsaid
MAX_SILENT_SHARE = 0.05
BROKEN = ("crash", "hang", "traceback")
COLUMNS = ("same", "noted", "reason", "silent", "error", *BROKEN)
"""Outcomes: every score as before; changed with a note; changed, and only the choice of the network tells; changed
without a word; refused in one line; and what must not be."""


@dataclass(frozen=True)
class Trial:
    """One damaged video and what came of it."""

    number: int
    container: str
    codec: str
    kind: str
    outcome: str
    """One of COLUMNS."""
    change: float
    """Largest change of a score at the same time."""
    num_missing: int
    """Snippets less than the undamaged video has."""
    complaint: str
    """First line of the ffmpeg program about the damaged video, empty for none or where it says so of the undamaged."""
    notes: tuple[str, ...]
    """Those that the undamaged video does not get."""
    error: str


class Study:
    """Makes and scores videos by their numbers."""

    def __init__(self) -> None:
        self._bases = all_bases(FOLDER / "bases")
        pairs = [(container, kind) for container in self._bases for kind in KINDS]
        self._pairs = [pairs[place] for place in np.random.default_rng(SEED).permutation(len(pairs))]
        self._undamaged: dict[Base, tuple[Answer, set[str]]] = {}

    def score_bases(self, worker: Worker) -> None:
        """Make and score all undamaged videos."""
        for base in (base for bases in self._bases.values() for base in bases):
            base.make()
            answer = worker.score(base.path)
            if answer["outcome"] != "result":
                raise RuntimeError(f"the undamaged {base.path.name} cannot be scored: {answer['error']}")
            self._undamaged[base] = answer, set(complaints(base.path))

    def make(self, number: int) -> tuple[Base, str, Path]:
        """The undamaged video, the kind of damage, and the damaged video, which is written."""
        container, kind = self._pairs[number % len(self._pairs)]
        bases = self._bases[container]
        base = bases[(number // len(self._pairs) + number) % len(bases)]  # another one in every round
        path = FOLDER / f"{number}.{container}"
        mutate(base, kind, (SEED, number), path)
        return base, kind, path

    def run(self, number: int, worker: Worker) -> Trial:
        """Make and score one; the file is left."""
        base, kind, path = self.make(number)
        before, usual = self._undamaged[base]
        after = worker.score(path)
        complaint = next((line for line in complaints(path) if line not in usual), "")
        change, num_missing, notes = 0.0, 0, ()
        outcome = after["outcome"]
        if outcome == "result":
            if kind == "joined" and len(after["scores"]) > len(before["scores"]):
                other = appended(base, np.random.default_rng((SEED, number)))
                before = before | {"scores": worker.score(base.path, other.path)["scores"]}
            change, num_missing = compare(before["scores"], after["scores"])
            known = {without_numbers(note) for note in before["notes"]}
            notes = tuple(note for note in after["notes"] if without_numbers(note) not in known)
            if change <= MAX_CHANGE and num_missing == 0:
                outcome = "same"
            elif notes:
                outcome = "noted"
            else:
                outcome = "reason" if after["reason"] != before["reason"] else "silent"
        error = after.get("error", "")
        return Trial(number, base.container, base.codec, kind, outcome, change, num_missing, complaint, notes, error)


def compare(expected: list[float], scores: list[float]) -> tuple[float, int]:
    """Largest change of a score at the same time, and the number of snippets that are missing."""
    num_common = min(len(expected), len(scores))
    return float(np.abs(np.subtract(expected[:num_common], scores[:num_common])).max()), len(expected) - num_common


def without_numbers(note: str) -> str:
    """Notes that differ in numbers alone are one."""
    return re.sub(r"\d+(\.\d+)?", "#", note)


def complaints(path: Path) -> list[str]:
    """Lines that the ffmpeg program prints when it decodes all of a video, without addresses in memory."""
    command = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), "-f", "null", "-"]
    try:
        result = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return ["no end within the limit"]
    text = result.stderr.decode(errors="replace").replace(str(path), "FILE")
    return [re.sub(r" @ 0x[0-9a-f]+", "", line) for line in text.splitlines()]


def print_table(trials: Iterable[Trial], what: str) -> None:
    """Outcomes by container or by kind, in Markdown."""
    counts: dict[str, Counter[str]] = {}
    for trial in trials:
        row = counts.setdefault(getattr(trial, what), Counter())
        row[trial.outcome] += 1
        row["notes"] += bool(trial.notes)
        row["complained"] += is_unheard(trial)
    columns = (*COLUMNS, "notes", "complained")
    print(f"\n| {what} | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|")
    for name, row in [*sorted(counts.items()), ("all", sum(counts.values(), Counter()))]:
        print(f"| {name} | {' | '.join(str(row[column]) for column in columns)} |")


def is_unheard(trial: Trial) -> bool:
    """Whether the ffmpeg program complains about a video whose result has no note."""
    return bool(trial.complaint) and not trial.notes and trial.outcome in COLUMNS[:4]


def print_trial(trial: Trial) -> None:
    """One line, and what ffmpeg says."""
    found = trial.error.strip().splitlines()[-1] if trial.error else f"{trial.change:.2f}, {trial.num_missing} missing"
    print(f"{trial.number:5} {trial.outcome:9} {trial.container} {trial.codec}, {trial.kind}: {found}")
    for line in (*trial.notes, *filter(None, [trial.complaint and f"ffmpeg: {trial.complaint}"])):
        print(f"      {line}")


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="damaged videos")
    parser.add_argument("--only", type=int, help="the number of one, which is kept")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    study, num_workers = Study(), os.cpu_count() or 1
    workers: SimpleQueue[Worker] = SimpleQueue()
    for _ in range(num_workers):
        workers.put(Worker(LIMIT_SECONDS))

    def run(number: int) -> Trial:
        worker = workers.get()
        try:
            trial = study.run(number, worker)
        finally:
            workers.put(worker)
        if options.only is None:
            (FOLDER / f"{number}.{trial.container}").unlink()
        return trial

    first = workers.get()
    study.score_bases(first)
    workers.put(first)
    numbers = range(options.count) if options.only is None else [options.only]
    with ThreadPoolExecutor(num_workers) as pool:
        trials = list(pool.map(run, numbers))
    while not workers.empty():
        workers.get().close()
    sys.exit(report(trials))


def report(trials: list[Trial]) -> int:
    """Print and write what was found; returns the exit code."""
    findings = [trial for trial in trials if trial.outcome in ("silent", "reason", *BROKEN) or is_unheard(trial)]
    for trial in trials if len(trials) == 1 else findings:
        print_trial(trial)
    if len(trials) > 1:
        (FOLDER / "findings.json").write_text(json.dumps([asdict(trial) for trial in findings], indent=1) + "\n")
        print_table(trials, "kind")
        print_table(trials, "container")
    num_silent = sum(trial.outcome == "silent" for trial in trials)
    num_untimed = sum(trial.outcome == "silent" and trial.container in WITHOUT_TIMES for trial in trials)
    num_broken = sum(trial.outcome in BROKEN for trial in trials)
    num_unheard = sum(map(is_unheard, trials))
    print(
        f"\n{len(trials)} videos: {num_broken} broken; {num_silent} silent ({num_silent / len(trials):.1%}), of them "
        f"{num_untimed} in containers without times; {num_unheard} without a note where ffmpeg complains"
    )
    return int(num_broken > 0 or num_silent / len(trials) >= MAX_SILENT_SHARE)


if __name__ == "__main__":
    main()
