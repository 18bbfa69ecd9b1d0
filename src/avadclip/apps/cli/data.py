"""`avadclip data`."""

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avadclip.apps.cli.console import make_console
from avadclip.report.words import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from avadclip.data.published.check import DataCheck

EXIT_CODES = {"complete": 0, "partly usable": 3, "unusable": 1}
PROBLEMS_SHOWN = 5  # of each split and kind

data_app = typer.Typer(no_args_is_help=True, epilog="Example: avadclip data check xd-violence /data/xd")


class BenchmarkName(StrEnum):
    """Benchmarks that can be checked."""

    XD_VIOLENCE = "xd-violence"
    CCTV_FIGHTS = "cctv-fights"
    UCF_CRIME = "ucf-crime"


class CheckFormat(StrEnum):
    """What goes to stdout."""

    TABLE = "table"
    JSON = "json"


@data_app.callback()
def data() -> None:
    """Inspect training and evaluation data."""


@data_app.command(epilog="Example: avadclip data check xd-violence /data/xd --format json")
def check(
    benchmark: Annotated[BenchmarkName, typer.Argument(help="Name of the benchmark.")],
    path: Annotated[Path, typer.Argument(help="Folder with its lists, annotations and features, at any depth.")],
    features: Annotated[
        Path | None, typer.Option(file_okay=False, help="Additional folder of features, as for train and evaluate.")
    ] = None,
    output_format: Annotated[
        CheckFormat, typer.Option("--format", help="A table for people, JSON for programs.")
    ] = CheckFormat.TABLE,
) -> None:
    """Check a benchmark's files: what is present, missing or wrong, and which commands can run.

    Only the headers of feature files are read. Exit codes: 0 complete; 3 partly
    usable; 1 unusable.
    """
    from avadclip.data.published.check import check_benchmark
    from avadclip.data.published.load import BENCHMARKS
    from avadclip.data.published.survey import survey_benchmark

    folders = [path] if features is None else [path, features]
    found = check_benchmark(survey_benchmark(BENCHMARKS[benchmark.value], folders))
    if output_format is CheckFormat.JSON:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print_check(make_console(), found)
    raise typer.Exit(EXIT_CODES[found.status])


def _print_check(console: "Console", found: "DataCheck") -> None:
    """Print the check for people, within 80 columns if names allow it."""

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


def _split_table(found: "DataCheck") -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("split")
    for name in ("published", "listed", "ready", "with sound"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("crops")
    table.add_column("usable")
    for split in found.splits:
        numbers = (split.num_published, split.num_listed, split.num_ready, split.num_with_sound)
        crops = " ".join(map(str, split.crops)) or "-"
        table.add_row(split.split, *(f"{number:,}" for number in numbers), crops, "yes" if split.is_usable else "no")
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
