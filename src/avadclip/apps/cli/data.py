"""`avadclip data`."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from avadclip.apps.cli.terminal.console import report_success
from avadclip.apps.cli.terminal.data_tables import print_benchmark_check, print_composed_check, print_own_check
from avadclip.report.words import counted, printable

if TYPE_CHECKING:
    from pydantic import BaseModel

    CheckT = TypeVar("CheckT", bound=BaseModel)

EXIT_CODES = {"complete": 0, "partly usable": 3, "unusable": 1}

data_app = typer.Typer(no_args_is_help=True, epilog="Example: avadclip data check xd-violence /data/xd")


class CheckFormat(StrEnum):
    """What goes to stdout."""

    TABLE = "table"
    JSON = "json"


class ComposedPart(StrEnum):
    """Splits that can be written as videos."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@data_app.callback()
def data() -> None:
    """Inspect training and evaluation data, and compose some of recordings."""


@data_app.command(epilog="Example: avadclip data check labels.csv --features features")
def check(
    source: Annotated[
        str,
        typer.Argument(
            help="xd-violence, cctv-fights or ucf-crime; a CSV file or folder of own videos; or composed:SIZE:FOLDER."
        ),
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

    Own videos also get warnings: flaws of the footage that training would not
    show. Of a benchmark only the headers of feature files are read; of
    recordings to compose, features are not made. Exit codes: 0 complete; 3
    partly usable; 1 unusable.
    """
    from avadclip.data.composed.dataset import COMPOSED
    from avadclip.data.published.load import BENCHMARKS

    if source in BENCHMARKS:
        if path is None:
            raise typer.BadParameter(f"{source} needs the folder with its files")
        _check_benchmark(source, [path] if features is None else [path, features], output_format)
    elif path is None and source.startswith(COMPOSED):
        from avadclip.data.composed.check import check_composed

        if features is not None:
            raise typer.BadParameter(f"features of {source} are made, not checked; omit --features")
        _show(check_composed(source), print_composed_check, output_format)
    elif path is None and Path(source).exists():
        from avadclip.data.datasets import load_dataset
        from avadclip.data.footage_checks.own_check import check_own

        # Loaded as training does: what is wrong is an error of one line.
        _show(check_own(source, load_dataset(source, features=features)), print_own_check, output_format)
    else:
        raise typer.BadParameter(
            f"{source}: unknown; give one of {', '.join(BENCHMARKS)} and its folder, a CSV file, a folder, or "
            f"{COMPOSED}SIZE:FOLDER"
        )


@data_app.command(epilog="Example: avadclip data compose small:recordings --out videos --limit 10")
def compose(
    source: Annotated[
        str, typer.Argument(metavar="SIZE:FOLDER", help="tiny, small or full; and the folder with recordings.csv.")
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for videos, labels.csv and licences.txt.")],
    split: Annotated[ComposedPart, typer.Option(help="Split to write.")] = ComposedPart.TEST,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Write only the first ones.", show_default="all of the split")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The recipe's seed.")] = 0,
) -> None:
    """Write composed sequences as playable videos, with their labels.

    Lossless (FFV1 and FLAC in Matroska): VLC and mpv play them, browsers do
    not. Videos of the split train have no times in labels.csv.
    """
    from avadclip.data.composed.dataset import COMPOSED
    from avadclip.data.composed.videos import write_composed_videos

    written = write_composed_videos(source.removeprefix(COMPOSED), out, split=split.value, limit=limit, seed=seed)
    report_success(f"written: {counted(len(written), 'video')}, labels.csv and licences.txt in {printable(str(out))}")


def _check_benchmark(name: str, folders: list[Path], output_format: CheckFormat) -> None:
    from avadclip.data.published.check import check_benchmark
    from avadclip.data.published.load import BENCHMARKS
    from avadclip.data.published.survey import survey_benchmark

    found = check_benchmark(survey_benchmark(BENCHMARKS[name], folders))
    _show(found, print_benchmark_check, output_format)
    raise typer.Exit(EXIT_CODES[found.status])


def _show(found: "CheckT", print_tables: "Callable[[CheckT], None]", output_format: CheckFormat) -> None:
    if output_format is CheckFormat.JSON:
        typer.echo(found.model_dump_json(indent=2))
    else:
        print_tables(found)
