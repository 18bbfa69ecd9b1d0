"""`avadclip evaluate`."""

import functools
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avadclip.apps.cli.options import Network, Offline, set_offline
from avadclip.apps.cli.terminal.console import error, exit_code, make_console
from avadclip.apps.cli.terminal.progress import show_work
from avadclip.errors import AvadclipError

if TYPE_CHECKING:
    from avadclip.data.bags import Bag, Dataset
    from avadclip.evaluation.metrics.records import Report
    from avadclip.inference.checkpoint import Checkpoint


class Split(StrEnum):
    """Splits that may be evaluated."""

    TEST = "test"
    VALIDATION = "validation"


class ReportFormat(StrEnum):
    """What goes to stdout."""

    TABLE = "table"
    JSON = "json"


class FigureFormat(StrEnum):
    """Kind of the files in --figures."""

    PNG = "png"
    PDF = "pdf"
    SVG = "svg"


class GivenSelection(StrEnum):
    """How the weights behind given scores were selected, if known."""

    UNKNOWN = "unknown"
    LAST = "last"
    VALIDATION = "validation"
    TEST = "test"


def evaluate(  # noqa: PLR0917  Typer's way to declare options
    data: Annotated[
        str,
        typer.Option(
            help="A CSV file or a folder of own videos, xd-violence:FOLDER, cctv-fights:FOLDER, ucf-crime:FOLDER, "
            "synthetic:SIZE, or composed:SIZE:FOLDER."
        ),
    ],
    checkpoint: Annotated[
        str | None,
        typer.Argument(
            help="A checkpoint file, `starter` or hf://OWNER/NAME; omitted with --scores.", show_default=False
        ),
    ] = None,
    network: Network = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            help="Evaluate these predictions instead: .npy in list order; or .npz, .json or a folder of .npy by video."
        ),
    ] = None,
    selection: Annotated[
        GivenSelection | None,
        typer.Option(help="How the weights behind --scores were selected.", show_default="unknown"),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder of feature files, from avadclip extract; a CSV file needs one."),
    ] = None,
    split: Annotated[Split, typer.Option(help="Split to measure on.")] = Split.TEST,
    hard_normals: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Text file with names of normal videos, one a line, to measure apart."
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Measure the videos that are there, and report which share they are.")
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, help="The recipe's seed; determines synthetic data and the validation split.")
    ] = 0,
    figures: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Output folder for a figure per video: score over time against the ground truth."
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Checkpoint whose score --figures shows for comparison.", show_default=False)
    ] = None,
    figure_format: Annotated[FigureFormat, typer.Option(help="File format of the figures.")] = FigureFormat.PNG,
    output_format: Annotated[
        ReportFormat, typer.Option("--format", help="A table for people, JSON for programs.")
    ] = ReportFormat.TABLE,
    offline: Offline = False,
) -> None:
    """Evaluate every network of a checkpoint, or one, or given predictions.

    Frame AP and AUC, each beside a control; recall and false alarms per hour
    against each other; calibration error, F1 at a threshold from validation,
    and mAP by two protocols; AP and AUC of whole videos, for which one label
    per video is enough.
    Data goes to stdout, progress and errors to stderr.
    A network that cannot score these videos is reported in one line on stderr
    and the others continue (exit code 3); if it was the only one, the exit
    code is 1.
    """
    set_offline(offline)
    if (checkpoint is None) == (scores is None):
        raise typer.BadParameter("give either a checkpoint or --scores")
    if selection is not None and scores is None:
        raise typer.BadParameter("--selection needs --scores; a checkpoint records its own selection")
    if network is not None and scores is not None:
        raise typer.BadParameter("--network needs a checkpoint; it cannot be combined with --scores")
    if figures is not None and scores is not None:
        raise typer.BadParameter("--figures needs a checkpoint; it cannot be combined with --scores")
    if baseline is not None and figures is None:
        raise typer.BadParameter("--baseline needs --figures, the folder for the figures")
    from avadclip.data.datasets import load_dataset
    from avadclip.data.names import read_names

    hard = () if hard_normals is None else read_names(hard_normals)
    load = functools.partial(
        load_dataset,
        data,
        features=features,
        seed=seed,
        undivided="test" if split is Split.TEST else "train",
        partial=partial,
    )
    if checkpoint is not None:
        from avadclip.inference.checkpoint import load_checkpoint

        loaded = load_checkpoint(checkpoint)
        dataset = load(classes=loaded.header.classes)
        if network is not None:
            loaded.check_holds(network)
        networks = list(loaded.networks) if network is None else [network]
        rival = None if baseline is None else load_checkpoint(baseline)
        reports, num_networks = _evaluate_each(loaded, networks, dataset, split, hard), len(networks)
        if figures is not None and reports:
            _draw_each(figures, loaded, dataset, split, network=network, baseline=rival, figure_format=figure_format)
    elif scores is not None:
        dataset = load()
        reports, num_networks = [_evaluate_scores(scores, dataset, split, hard, selection or GivenSelection.UNKNOWN)], 1
    if output_format is ReportFormat.JSON:
        typer.echo("[\n" + ",\n".join(report.model_dump_json(indent=2) for report in reports) + "\n]")
    else:
        from avadclip.apps.cli.terminal.evaluation_tables import print_report

        console = make_console()
        for report in reports:
            print_report(console, report)
    raise typer.Exit(exit_code(num_networks - len(reports), num_networks))


def _evaluate_scores(
    scores: Path, dataset: "Dataset", split: Split, hard_normals: Sequence[str], selection: GivenSelection
) -> "Report":
    from avadclip.data.given_scores import read_scores
    from avadclip.evaluation.evaluate import evaluate_given

    bags = _bags_of(dataset, split)
    given = read_scores(scores, bags, num_classes=len(dataset.classes), snippet_frames=dataset.grid.snippet_frames)
    return evaluate_given(given, dataset, split.value, hard_normals=hard_normals, selection=selection.value)


def _evaluate_each(
    checkpoint: "Checkpoint", networks: list[str], dataset: "Dataset", split: Split, hard_normals: Sequence[str]
) -> list["Report"]:
    """Evaluate those networks that can score the split; report each other one in a line on stderr."""
    from avadclip.evaluation.evaluate import check_fit
    from avadclip.evaluation.evaluate import evaluate as measure

    check_fit(checkpoint, dataset)
    bags = _bags_of(dataset, split)
    validation = dataset.validation if split is Split.TEST else ()
    reports = []
    for network in networks:
        with show_work(len(bags) + len(validation)) as work:
            try:
                system = checkpoint.networks[network]
                report = measure(system, dataset, split.value, hard_normals=hard_normals, on_video=work.begin)
            except AvadclipError as problem:
                error(str(problem))
            else:
                reports.append(report)
    return reports


def _draw_each(
    folder: Path,
    checkpoint: "Checkpoint",
    dataset: "Dataset",
    split: Split,
    *,
    network: str | None,
    baseline: "Checkpoint | None",
    figure_format: FigureFormat,
) -> None:
    import torch

    from avadclip.inference.scorers import TrainedScorer
    from avadclip.report.figures.truth import write_truth_figures

    cpu = torch.device("cpu")
    bags = _bags_of(dataset, split)
    with show_work(len(bags)) as work:
        write_truth_figures(
            folder,
            bags,
            TrainedScorer(checkpoint, device=cpu, network=network),
            dataset.grid,
            baseline=None if baseline is None else TrainedScorer(baseline, device=cpu),
            suffix=f".{figure_format.value}",
            on_video=work.begin,
        )


def _bags_of(dataset: "Dataset", split: Split) -> "tuple[Bag, ...]":
    return dataset.bags_of("test" if split is Split.TEST else "validation")
