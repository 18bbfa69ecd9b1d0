"""`avadclip reproduce`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avadclip.cli.console import complain_about, exit_code, make_console
from avadclip.errors import DataError

if TYPE_CHECKING:
    from avadclip.reproduce.plans import Job, TablePlan
    from avadclip.reproduce.results import ResultTable


class TableName(StrEnum):
    """What can be reproduced."""

    TABLE_1 = "1"
    TABLE_2 = "2"
    TABLE_3 = "3"
    TABLE_4 = "4"
    TABLE_5 = "5"
    TABLE_6 = "6"
    CROSS = "cross"
    ALL = "all"


def reproduce(  # noqa: PLR0917  Typer's way to declare options
    table: Annotated[TableName, typer.Argument(help="A table of the paper; cross: trained on one, tested on another.")],
    data: Annotated[
        str,
        typer.Option(
            help="xd-violence:FOLDER, cctv-fights:FOLDER, a CSV file or folder of your own, or synthetic: made-up "
            "features, minutes on 2 cores."
        ),
    ],
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Folder for runs and tables; the same command again goes on there.")
    ],
    second_data: Annotated[
        str | None, typer.Option(help="The other dataset of the table cross.", show_default=False)
    ] = None,
    features: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder of feature files for --data, as evaluate takes it.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of every row.")] = 3,
    recipes: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Folder of recipes to train by.", show_default="the paper's, by data"
        ),
    ] = None,
) -> None:
    """Train and test what a table of the paper names, and print it with ours.

    Our mean and deviation stand beside the printed numbers. The tables are also
    written as Markdown, LaTeX and CSV. What is finished is never done again.
    Tables go to stdout, progress and errors to stderr.
    A row that cannot be run says why, and the others go on: exit code 3.
    """
    from avadclip.cli.reproduction_tables import print_table
    from avadclip.reproduce.plans import TABLES, jobs_of
    from avadclip.reproduce.results import fill_table
    from avadclip.reproduce.runner import run_jobs
    from avadclip.reproduce.sources import make_sources

    sources = make_sources(data, features=features, second=second_data, recipes=recipes)
    plans = [TABLES[table.value]] if table is not TableName.ALL else list(TABLES.values())
    if "second" not in sources:
        plans = _of_one_dataset(plans)
    jobs = jobs_of(plans)

    def announce(job: "Job", seed: int) -> None:
        number = seed * len(jobs) + jobs.index(job) + 1
        typer.echo(f"{number} of {seeds * len(jobs)}: {job.run.name}, seed {seed}", err=True)

    outcomes = run_jobs(jobs, sources, out, num_seeds=seeds, on_job=announce)
    names = {side: source.name for side, source in sources.items()}
    console = make_console()
    for plan in plans:
        filled = fill_table(plan, outcomes, num_seeds=seeds, names=names)
        print_table(console, filled)
        _write(filled, out)
    failed = [(job.run.name, each.problem) for (job, _), each in outcomes.items() if each.problem is not None]
    for name, problem in dict.fromkeys(failed):
        complain_about(name, problem)
    raise typer.Exit(exit_code(len(failed), len(outcomes)))


def _of_one_dataset(plans: "list[TablePlan]") -> "list[TablePlan]":
    """Those that need no second dataset; says which are left out, and raises DataError where all are."""
    kept = [plan for plan in plans if not plan.needs_second]
    left_out = [plan.title for plan in plans if plan.needs_second]
    if left_out and not kept:
        raise DataError(f"{left_out[0]}: needs two datasets, found one; name the other with --second-data")
    for title in left_out:
        typer.echo(f"left out, it needs --second-data: {title}", err=True)
    return kept


def _write(table: "ResultTable", out: Path) -> None:
    from avadclip.files import write_atomically
    from avadclip.reproduce.render import FORMATS

    files = {out / f"table-{table.key}{suffix}": render(table) for suffix, render in FORMATS.items()}
    for path, text in files.items():
        write_atomically(path, text)
    typer.echo(f"written: {', '.join(map(str, files))}", err=True)
