"""`avadclip data`."""

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avadclip.apps.cli.terminal.console import make_console
from avadclip.report.words import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from avadclip.data.published.check import DataCheck

EXIT_CODES = {"complete": 0, "partly usable": 3, "unusable": 1}
PROBLEMS_SHOWN = 5  # of each split and kind

data_app = typer.Typer(no_args_is_help=True, epilog="Example: avadclip data check xd-violence /data/xd")


class CheckFormat(StrEnum):
    """What goes to stdout."""

    TABLE = "table"
    JSON = "json"


@data_app.callback()
def data() -> None:
    """Inspect training and evaluation data."""


@data_app.command(epilog="Example: avadclip data check labels.csv --features features")
def check(
    source: Annotated[
        str, typer.Argument(help="xd-violence, cctv-fights or ucf-crime; or a CSV file or folder of own videos.")
    ],
    path: Annotated[
        Path | None,
        typer.Argument(
            help="For a benchmark: folder with its lists, annotations and features, at any depth.", show_default=False
        ),
    ] = None,
    features: Annotated[
        Path | None, typer.Option(file_okay=False, help="Additional folder of features, as for train and evaluate.")
    ] = None,
    output_format: Annotated[
        CheckFormat, typer.Option("--format", help="A table for people, JSON for programs.")
    ] = CheckFormat.TABLE,
) -> None:
    """Check data: what is present, missing or wrong, and for a benchmark which commands can run.

    Of a benchmark only the headers of feature files are read. Exit codes: 0
    complete; 3 partly usable; 1 unusable.
    """
    from avadclip.data.published.load import BENCHMARKS

    if source not in BENCHMARKS:
        if path is not None or not Path(source).exists():
            raise typer.BadParameter(
                f"{source}: unknown; give one of {', '.join(BENCHMARKS)} and its folder, or a CSV file or folder"
            )
        _check_own(source, features, output_format)
        return
    if path is None:
        raise typer.BadParameter(f"{source} needs the folder with its files")
    from avadclip.data.published.check import check_benchmark
    from avadclip.data.published.survey import survey_benchmark

    folders = [path] if features is None else [path, features]
    found = check_benchmark(survey_benchmark(BENCHMARKS[source], folders))
    if output_format is CheckFormat.JSON:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print_check(make_console(), found)
    raise typer.Exit(EXIT_CODES[found.status])


def _check_own(source: str, features: Path | None, output_format: CheckFormat) -> None:
    """Load the videos as training does; what is wrong is an error of one line."""
    from avadclip.data.datasets import load_dataset
    from avadclip.data.own_check import check_own

    found = check_own(source, load_dataset(source, features=features))
    if output_format is CheckFormat.JSON:
        typer.echo(found.model_dump_json(indent=2))
        return
    console = make_console()
    console.print(printable(f"{source}: complete"), style="bold", soft_wrap=True)
    console.print(printable(f"classes: {', '.join(found.classes)}"), soft_wrap=True)
    table = _counts_table("videos", "anomalous", "with times", "with sound", "hours")
    for split in found.splits:
        numbers = (split.num_videos, split.num_anomalous, split.num_with_times, split.num_with_sound)
        table.add_row(split.split, *(f"{number:,}" for number in numbers), f"{split.hours:.2f}")
    console.print(table)
    for note in found.notes:
        console.print(printable(f"note: {note}"), style="dim", soft_wrap=True)


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


def _counts_table(*numbers: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("split")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _split_table(found: "DataCheck") -> "Table":
    table = _counts_table("published", "listed", "ready", "with sound")
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
