"""What `avadclip data check` prints for people, within 80 columns if names allow it."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from avadclip.apps.cli.terminal.console import make_console, plain_table
from avadclip.report.words import printable

if TYPE_CHECKING:
    from rich.table import Table

    from avadclip.data.bags import EventKind
    from avadclip.data.composed.check import ComposedCheck
    from avadclip.data.footage_checks.own_check import OwnCheck
    from avadclip.data.published.check import DataCheck

PROBLEMS_SHOWN = 5  # of each split and kind
LICENCES_SHOWN = 10
EVENT_KINDS: "tuple[EventKind, ...]" = ("visible", "audible", "both")


def print_own_check(found: "OwnCheck") -> None:
    """Print the check of a user's own videos."""
    console = make_console()
    console.print(printable(f"{found.source}: complete"), style="bold", soft_wrap=True)
    console.print(printable(f"classes: {', '.join(found.classes)}"), soft_wrap=True)
    table = plain_table(["split"], ["videos", "anomalous", "with times", "with sound", "hours"], gap=2)
    for split in found.splits:
        numbers = (split.num_videos, split.num_anomalous, split.num_with_times, split.num_with_sound)
        table.add_row(split.split, *map(_count, numbers), f"{split.hours:.2f}")
    console.print(table)
    for note in found.notes:
        console.print(printable(f"note: {note}"), style="dim", soft_wrap=True)
    for warning in found.warnings:
        console.print(printable(f"warning: {warning.text}"), soft_wrap=True)


def print_composed_check(found: "ComposedCheck") -> None:
    """Print the check of recordings and of what is composed of them."""
    console = make_console()
    console.print(printable(f"{found.source}: complete"), style="bold", soft_wrap=True)
    console.print(printable(f"classes: {', '.join(found.classes)}"), soft_wrap=True)
    recordings = plain_table(["recordings", "label"], ["sessions", "train", "validation", "test", "unused"], gap=2)
    for of_label in found.labels:
        counts = (of_label.num_sessions, *of_label.num_recordings.values(), of_label.num_unused)
        recordings.add_row(f"{of_label.kind}, {of_label.role}", printable(of_label.label), *map(_count, counts))
    sequences = plain_table(["split"], ["sequences", "with events", *EVENT_KINDS, "hard neg.", "hours"], gap=2)
    for split in found.splits:
        events = (split.num_events[kind] for kind in EVENT_KINDS)
        counts = (split.num_sequences, split.num_with_events, *events, split.num_hard_negatives)
        sequences.add_row(split.split, *map(_count, counts), f"{split.hours:.2f}")
    licences = plain_table(["licence"], ["recordings", "trained on", "share-alike"], gap=2)
    for licence in found.licences[:LICENCES_SHOWN]:
        counts = (licence.num_recordings, licence.num_trained_on, licence.num_share_alike)
        licences.add_row(printable(licence.licence), *map(_count, counts))
    for table in (recordings, sequences, licences):
        console.print()
        console.print(table)
    if len(found.licences) > LICENCES_SHOWN:
        console.print(f"{len(found.licences) - LICENCES_SHOWN:,} more; --format json lists all", soft_wrap=True)
    console.print()
    console.print(f"share-alike recordings, which are only tested on: {found.num_share_alike:,}", soft_wrap=True)
    for note in found.notes:
        console.print(printable(f"note: {note}"), style="dim", soft_wrap=True)


def print_benchmark_check(found: "DataCheck") -> None:
    """Print the check of a benchmark."""
    console = make_console()

    def line(text: str = "", style: str = "") -> None:
        console.print(printable(text), style=style, soft_wrap=True)

    line(f"{found.title} in {found.folder}: {found.status}", "bold")
    line()
    for role, path in found.files.items():
        line(f"{role}: {path or 'missing'}")
    line()
    console.print(_split_table(found))
    line()
    if found.truth is not None:
        truth = found.truth
        line(
            f"truth: {truth.num_videos:,} videos, {truth.num_anomalous:,} anomalous; {truth.num_frames:,} frames, "
            f"{truth.positive_percent:.2f} % anomalous"
        )
    line(f"lengths: {found.lengths}")
    _print_problems(found, line)
    if found.extra_files:
        line(f"{len(found.extra_files):,} feature or video files are in no list, such as {found.extra_files[0]}")
    for note in found.notes:
        line(f"note: {note}", "dim")
    line()
    line("commands that can run:" if found.runs else "no command can run yet", "bold")
    for command in found.runs:
        line(f"  {command}")
    line(f"the paper's tables: {found.tables}")


def _count(number: int) -> str:
    return f"{number:,}"


def _split_table(found: "DataCheck") -> "Table":
    table = plain_table(["split"], ["published", "listed", "ready", "with sound"], gap=2)
    table.add_column("crops")
    table.add_column("usable")
    for split in found.splits:
        numbers = (split.num_published, split.num_listed, split.num_ready, split.num_with_sound)
        crops = " ".join(map(str, split.crops)) or "-"
        table.add_row(split.split, *map(_count, numbers), crops, "yes" if split.is_usable else "no")
    return table


def _print_problems(found: "DataCheck", line: Callable[[str], None]) -> None:
    """Print the problems by split and kind; a missing split takes one line."""
    for split in found.splits:
        of_split = [problem for problem in found.problems if problem.split == split.split]
        counts = Counter(problem.kind for problem in of_split)
        if counts["missing"] == split.num_listed or (not of_split and not split.is_usable):
            line(f"{split.split}: {split.why_not}")
            of_split = [problem for problem in of_split if problem.kind != "missing"]
        for kind, count in counts.items():
            messages = [problem.message for problem in of_split if problem.kind == kind]
            for message in messages[:PROBLEMS_SHOWN]:
                line(f"  {split.split}, {kind}: {message}")
            if len(messages) > PROBLEMS_SHOWN:
                line(f"  {split.split}, {kind}: {count - PROBLEMS_SHOWN:,} more; --format json lists all")
