"""`avadclip reproduce`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avadclip.apps.cli.options import Offline, set_offline
from avadclip.apps.cli.terminal.console import complain_about, exit_code, make_console, report_success, resumable
from avadclip.errors import AvadclipError, DataError
from avadclip.report.words import printable

if TYPE_CHECKING:
    from rich.console import Console

    from avadclip.research.reproduce.plans import TableJob, TablePlan
    from avadclip.research.reproduce.results import Cell, ResultTable
    from avadclip.research.reproduce.sources import Sources


class TableName(StrEnum):
    """Tables and figures that can be reproduced."""

    TABLE_1 = "1"
    TABLE_2 = "2"
    TABLE_3 = "3"
    TABLE_4 = "4"
    TABLE_5 = "5"
    TABLE_6 = "6"
    CROSS = "cross"
    FIGURE_4 = "figure4"
    ALL = "all"


def reproduce(  # noqa: PLR0917  Typer's way to declare options
    table: Annotated[
        TableName, typer.Argument(help="A table of the paper; cross: trained on one dataset, tested on another.")
    ],
    data: Annotated[
        str,
        typer.Option(
            help="xd-violence:FOLDER, cctv-fights:FOLDER, composed:SIZE:FOLDER, your own CSV file or folder, or "
            "synthetic (generated features, takes minutes on 2 cores)."
        ),
    ],
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Folder for runs and tables; repeating the command resumes there.")
    ],
    second_data: Annotated[
        str | None, typer.Option(help="Second dataset, for the table cross.", show_default=False)
    ] = None,
    features: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder of feature files for --data, as for evaluate.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Training runs per row.")] = 3,
    recipes: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Folder of training recipes.", show_default="the paper's, by dataset"
        ),
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RECIPE",
            exists=True,
            dir_okay=False,
            help="For tables 1 to 3: a further row, a system trained by this recipe (TOML), such as a plug-in's; "
            "repeatable.",
        ),
    ] = None,
    best_on_test: Annotated[
        bool,
        typer.Option(
            "--best-on-test",
            help="Choose epochs by the test split, and put the best weights back after each, as the authors do.",
        ),
    ] = False,
    offline: Offline = False,
) -> None:
    """Reproduce a table of the paper, next to the published numbers.

    Prints mean and standard deviation over seeds, and also writes the tables
    as Markdown, LaTeX and CSV. Finished runs are not repeated.
    Tables go to stdout, progress and errors to stderr.
    A row that cannot run gives its reason and the others continue (exit code 3).
    """
    set_offline(offline)
    from avadclip.inference.networks import read_recipe
    from avadclip.research.reproduce.plans import COMPARISONS, TABLES, with_recipes
    from avadclip.research.reproduce.sources import make_sources

    if also and table.value not in (*COMPARISONS, TableName.ALL.value):
        raise typer.BadParameter(f"--also is for the tables {', '.join(COMPARISONS)} and all")
    for recipe in also or ():
        read_recipe(recipe)

    sources = make_sources(data, features=features, second=second_data, recipes=recipes)
    plans = [with_recipes(plan, also or ()) for plan in TABLES.values() if table.value in (plan.key, TableName.ALL)]
    if "second" not in sources:
        plans = _of_one_dataset(plans)
    num_failed, num_jobs = _make_tables(plans, sources, out, seeds, best_on_test=best_on_test) if plans else (0, 0)
    if table in (TableName.FIGURE_4, TableName.ALL):
        num_failed, num_jobs = num_failed + _draw_figure_4(sources, out, best_on_test=best_on_test), num_jobs + 1
    raise typer.Exit(exit_code(num_failed, num_jobs))


def _make_tables(
    plans: "list[TablePlan]", sources: "Sources", out: Path, num_seeds: int, *, best_on_test: bool
) -> tuple[int, int]:
    """Run, print and write the tables; return the numbers of failed and of all jobs."""
    from avadclip.research.reproduce.plans import jobs_of
    from avadclip.research.reproduce.results import fill_table
    from avadclip.research.reproduce.runner import run_jobs

    jobs = jobs_of(plans)

    def announce(job: "TableJob", seed: int) -> None:
        number = seed * len(jobs) + jobs.index(job) + 1
        report_success(f"{number} of {num_seeds * len(jobs)}: {job.run.name}, seed {seed}", err=True)

    with resumable("goes on with the unfinished runs"):
        outcomes = run_jobs(jobs, sources, out, num_seeds=num_seeds, best_on_test=best_on_test, on_job=announce)
    console = make_console()
    for plan in plans:
        table = fill_table(
            plan, outcomes, num_seeds=num_seeds, names={side: each.name for side, each in sources.items()}
        )
        _print_table(console, table)
        _write(table, out)
    failed = [(job.run.name, each.problem) for (job, _), each in outcomes.items() if each.report is None]
    for name, problem in dict.fromkeys(failed):
        complain_about(name, problem)
    return len(failed), len(outcomes)


def _draw_figure_4(sources: "Sources", out: Path, *, best_on_test: bool) -> int:
    """Draw figure 4; return 0, or 1 if that failed."""
    from avadclip.research.reproduce.figure4 import write_figure_4

    try:
        written = write_figure_4(sources, out, best_on_test=best_on_test)
    except AvadclipError as problem:
        complain_about("figure 4", problem)
        return 1
    report_success(f"written: {', '.join(map(str, written))}", err=True)
    return 0


def _of_one_dataset(plans: "list[TablePlan]") -> "list[TablePlan]":
    """Drop the tables that need a second dataset, with a note; DataError if none is left."""
    kept = [plan for plan in plans if not plan.needs_second]
    left_out = [plan.title for plan in plans if plan.needs_second]
    if left_out and len(plans) == 1:
        raise DataError(f"{left_out[0]}: needs two datasets, found one; give the other with --second-data")
    for title in left_out:
        typer.echo(f"skipped, needs --second-data: {title}", err=True)
    return kept


def _write(table: "ResultTable", out: Path) -> None:
    from avadclip.files import write_atomically
    from avadclip.research.reproduce.render import FORMATS

    files = {out / f"table-{table.key}{suffix}": render(table) for suffix, render in FORMATS.items()}
    for path, text in files.items():
        write_atomically(path, text)
    report_success(f"written: {', '.join(map(str, files))}", err=True)


def _print_table(console: "Console", table: "ResultTable") -> None:
    """Print the table with its notes and remarks."""
    from rich.table import Table

    from avadclip.research.reproduce.render import subject

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    grid.add_column("ours\n(printed)", overflow="fold")
    for column in table.columns:
        grid.add_column(column.title, justify="right")
    for row in table.rows:
        grid.add_row(printable(row.label), *map(_text, row.cells))
    console.print(printable(subject(table)), style="bold", soft_wrap=True)
    console.print(grid)
    remarks = [f"{row.label}: {row.remark}" for row in table.rows if row.remark]
    for line in (*table.notes, *remarks):
        console.print(printable(line), style="dim", soft_wrap=True)
    console.print()


def _text(cell: "Cell") -> str:
    from avadclip.research.reproduce.render import shown

    return shown(cell) if cell.printed is None else f"{shown(cell)}\n({cell.printed:.2f})"
