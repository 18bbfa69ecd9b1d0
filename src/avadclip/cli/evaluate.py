"""`avadclip evaluate`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from avadclip.cli.console import error, exit_code, make_console, show_work
from avadclip.errors import AvadclipError
from avadclip.report.words import counted, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from avadclip.checkpoint import Checkpoint
    from avadclip.data.bags import Dataset
    from avadclip.evaluation import Head, MeasureName, Protocol, Report

SELECTION_WORDS = {
    "last": "weights of the last epoch",
    "validation": "selected on validation",
    "test": "selected on test",
}
IOU_HEADINGS: dict[float | Literal["AVG"], str] = {0.1: ".1", 0.2: ".2", 0.3: ".3", 0.4: ".4", 0.5: ".5", "AVG": "AVG"}


class Split(StrEnum):
    """What may be evaluated."""

    TEST = "test"
    VALIDATION = "validation"


class OutputFormat(StrEnum):
    """What goes to stdout."""

    TABLE = "table"
    JSON = "json"


def evaluate(  # noqa: PLR0917  Typer's way to declare options
    checkpoint: Annotated[str, typer.Argument(help="A checkpoint file, or `starter`.")],
    data: Annotated[str, typer.Option(help="A CSV file with annotated times, or synthetic:SIZE.")],
    features: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder of feature files, for a CSV; from avadclip extract.")
    ] = None,
    split: Annotated[Split, typer.Option(help="Which videos to measure on.")] = Split.TEST,
    seed: Annotated[int, typer.Option(min=0, help="The recipe's: decides synthetic data, and who is held out.")] = 0,
    output_format: Annotated[
        OutputFormat, typer.Option("--format", help="A table for people, JSON for programs.")
    ] = OutputFormat.TABLE,
) -> None:
    """Measure every network of a checkpoint: frame AP, AUC, and mAP by two protocols.

    Data goes to stdout, progress and errors to stderr.
    A network that cannot score these videos is one line on stderr, and the
    others go on: exit code 3. Where it was the only network: exit code 1.
    """
    from avadclip.checkpoint import load_checkpoint
    from avadclip.data.datasets import load_dataset
    from avadclip.evaluation import check_fit

    loaded = load_checkpoint(checkpoint)
    dataset = load_dataset(data, features=features, classes=loaded.header.classes, seed=seed)
    check_fit(loaded, dataset)
    reports = _evaluate_each(loaded, dataset, split)
    if output_format is OutputFormat.JSON:
        typer.echo("[\n" + ",\n".join(report.model_dump_json(indent=2) for report in reports) + "\n]")
    else:
        console = make_console()
        for report in reports:
            print_report(console, report)
    raise typer.Exit(exit_code(len(loaded.networks) - len(reports), len(loaded.networks)))


def _evaluate_each(checkpoint: "Checkpoint", dataset: "Dataset", split: Split) -> list["Report"]:
    """Reports of the networks that could score the split; a line on stderr for each that could not."""
    from avadclip.evaluation import evaluate as measure

    bags = dataset.test if split is Split.TEST else dataset.validation
    reports = []
    for network, trained in checkpoint.networks.items():
        with show_work(len(bags)) as work:
            try:
                report = measure(
                    trained,
                    bags,
                    checkpoint.header.classes,
                    dataset.grid,
                    network=network,
                    split=split.value,
                    selection=checkpoint.header.selection,
                    dataset=dataset.name,
                    is_synthetic=dataset.is_synthetic,
                    on_video=work.begin,
                )
            except AvadclipError as problem:
                error(str(problem))
            else:
                reports.append(report)
    return reports


def print_report(console: "Console", report: "Report") -> None:
    """One network's numbers in 80 columns; every table's title says what they were measured on."""
    subject = _subject(report)
    for what, table in (
        ("Frame level, percent", _frame_table(report)),
        ("mAP at IoU, percent", _map_table(report)),
        ("AP per class at IoU, percent; head alignment, protocol strict", _class_table(report)),
    ):
        console.print(f"{what}\n{subject}", style="bold")  # a table's own title would wrap at the table's width
        console.print(table)
        console.print()
    for line in _share_lines(report):
        console.print(line, style="dim")
    for note in report.notes:
        console.print(f"note: {printable(note)}", style="dim")
    console.print()


def _share_lines(report: "Report") -> list[str]:
    counts = (
        f"{counted(report.num_videos, 'video')}, {report.num_frames:,} frames in snippets of {report.snippet_frames}"
    )
    if report.percent("frame_ap") is None:
        return [counts, "all frames are of one kind, anomalous or not: AP and AUC are undefined"]
    share = f"{report.positive_percent:.2f}"
    return [counts, f"{share} % of the frames are anomalous: a random score gets frame AP {share}"]


def _subject(report: "Report") -> str:
    """The second line of every table's title."""
    selection = SELECTION_WORDS.get(report.selection, f"selected: {report.selection}")
    dataset = f"{report.dataset} (synthetic data)" if report.is_synthetic else report.dataset
    return printable(f"{dataset}, {report.split} split, {report.network}, {selection}")


def _frame_table(report: "Report") -> "Table":
    names: tuple[MeasureName, ...] = ("frame_ap", "pr_auc", "roc_auc")
    heads: tuple[Head, ...] = ("classifier", "alignment")
    table = _plain_table(["head"], ["frame AP", "pr_auc", "ROC AUC"])
    for head in heads:
        table.add_row(head, *(_number(report.percent(name, head=head)) for name in names))
    return table


def _map_table(report: "Report") -> "Table":
    protocols: tuple[Protocol, ...] = ("legacy", "strict")
    table = _plain_table(["head", "protocol"], list(IOU_HEADINGS.values()))
    for protocol in protocols:
        values = (report.percent("map", protocol=protocol, iou=iou) for iou in IOU_HEADINGS)
        table.add_row("alignment", protocol, *map(_number, values))
    return table


def _class_table(report: "Report") -> "Table":
    table = _plain_table(["class"], ["events", *IOU_HEADINGS.values()])
    for label, num_truths in report.num_truths.items():
        values = (report.percent("class_ap", protocol="strict", iou=iou, label=label) for iou in IOU_HEADINGS)
        table.add_row(printable(label), str(num_truths), *map(_number, values))
    return table


def _plain_table(words: list[str], numbers: list[str]) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for name in words:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _number(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:.2f}"
