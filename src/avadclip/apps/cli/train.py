"""`avadclip train` and `avadclip distill`."""

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avadclip.apps.cli.options import Offline, set_offline
from avadclip.apps.cli.terminal.console import is_quiet, note, report_success, resumable
from avadclip.apps.cli.terminal.progress import bars_hidden, is_main_process, show_steps
from avadclip.apps.cli.verdicts.adapt import KEEP_RECALL, adapt_to_verdicts
from avadclip.errors import AvadclipError

if TYPE_CHECKING:
    from avadclip.config import TrainingConfig
    from avadclip.data.footage_checks.warning import FootageWarning


class Tracker(StrEnum):
    """Where the metrics of a run go besides its folder."""

    TENSORBOARD = "tensorboard"
    WANDB = "wandb"
    MLFLOW = "mlflow"


ConfigFile = Annotated[Path, typer.Argument(help="Training recipe (TOML); see configs/ for examples.")]
OutFolder = Annotated[
    Path, typer.Option(file_okay=False, help="Run folder; repeating the command resumes an interrupted run.")
]


Devices = Annotated[int, typer.Option(min=1, help="Processes on this machine, one per GPU or CPU share.")]
Nodes = Annotated[
    int, typer.Option(min=1, help="Number of machines; start the same command on each, --out must exist on all.")
]
MainAddress = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="With --nodes: address of one machine and a free port on it.")
]
Track = Annotated[
    Tracker, typer.Option(help="Where the metrics go besides metrics.jsonl: into the run folder, or to W&B or MLflow.")
]


def train(  # noqa: PLR0917  Typer's way to declare options
    out: Annotated[
        Path, typer.Option(help="Run folder, to resume by the same command; of a refit to verdicts the new file.")
    ],
    footage: Annotated[
        Path | None,
        typer.Argument(help="Your videos in sub-folders named by class (normal/, fighting/), or a CSV file of labels."),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Train by this recipe (TOML) instead, on what it names.")
    ] = None,
    verdicts: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Folder that `avadclip verdicts` wrote: its clips are learned too; alone, --model is refitted.",
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="To refit: a checkpoint file, or `starter`.")] = "starter",
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Begin with random weights, not with those of starter.")
    ] = False,
    devices: Devices = 1,
    nodes: Nodes = 1,
    main_address: MainAddress = None,
    track: Track = Tracker.TENSORBOARD,
    offline: Offline = False,
) -> None:
    """Train a detector on your own videos, or a network by a recipe.

    Of videos it extracts features, cross-validates by recording, trains on
    everything and writes model.safetensors, card.md and report.html with a plain
    verdict. By a recipe (also given in the place of the videos, as FILE.toml) it
    trains a teacher, a student without distillation, or a comparison system.
    With --verdicts alone it refits the students of a checkpoint of the variant
    `extended` to judged footage, and sets their thresholds.
    """
    set_offline(offline)
    if footage is not None and footage.suffix.lower() == ".toml":
        if recipe is not None:
            raise typer.BadParameter("two recipes; give one")
        footage, recipe = None, footage
    if (recipe is None) == (footage is None and verdicts is None):
        raise typer.BadParameter("needed a folder or CSV file of videos, --verdicts or both; or --recipe FILE")
    if footage is None and from_scratch:
        raise typer.BadParameter("--from-scratch is for videos")
    if recipe is None and (devices, nodes, main_address, track) != (1, 1, None, Tracker.TENSORBOARD):
        raise typer.BadParameter("--devices, --nodes, --main-address and --track are for recipes")
    if verdicts is not None and footage is None:
        if out.exists():
            raise typer.BadParameter(f"{out} exists already; give the new checkpoint another name")
        adapt_to_verdicts(model, verdicts, out, keep_recall=KEEP_RECALL, device="auto")
        return
    if out.is_file():
        raise typer.BadParameter(f"{out} is a file, needed a run folder")
    if recipe is not None:
        processes = (devices, nodes, main_address)
        _start(recipe, out, None, force=False, track=track, processes=processes)
    elif footage is not None:
        _train_on_footage(footage, verdicts, out, from_scratch=from_scratch)


def _train_on_footage(footage: Path, verdicts: Path | None, out: Path, *, from_scratch: bool) -> None:
    with resumable("resumes where it stopped"):
        from avadclip.apps.own_footage.collect import read_judged, read_labelled
        from avadclip.apps.own_footage.run import train_on_footage

        videos = read_labelled(footage)
        if verdicts is not None:
            videos = [*videos, *read_judged(verdicts)]
        done = train_on_footage(videos, out, name=footage.resolve().stem, from_scratch=from_scratch)
    for line in done.warnings:
        note(line)
    for line in (*done.decisions, *done.others, done.verdict.headline, done.verdict.operating_point):
        if line:
            report_success(line)
    if not done.verdict.is_shown:
        note("better than chance is not shown: trust this model as little as its verdict says")
    report_success(f"{done.model}, {done.page}")


def distill(  # noqa: PLR0917  Typer's way to declare options
    config: ConfigFile,
    teacher: Annotated[str, typer.Option(help="Checkpoint with the teacher.")],
    out: OutFolder,
    force: Annotated[
        bool, typer.Option("--force", help="Learn from the teacher also while the student is better on validation.")
    ] = False,
    devices: Devices = 1,
    nodes: Nodes = 1,
    main_address: MainAddress = None,
    track: Track = Tracker.TENSORBOARD,
    offline: Offline = False,
) -> None:
    """Distil a teacher into a student that uses only picture or only sound."""
    set_offline(offline)
    _start(config, out, teacher, force=force, track=track, processes=(devices, nodes, main_address))


def _start(
    recipe: Path, out: Path, teacher: str | None, *, force: bool, track: Tracker, processes: tuple[int, int, str | None]
) -> None:
    """Train in this process, or launch several processes (on so many devices, nodes) that each run this command."""
    with resumable("resumes after the last finished epoch"):
        from avadclip.inference.networks import read_recipe

        config = read_recipe(recipe)
        if processes[:2] == (1, 1):
            _run(config, out, teacher=teacher, force=force, track=track)
            return
        from avadclip.training.launch import Processes, launch

        switches = [name for name, is_on in (("--quiet", is_quiet()), ("--force", force)) if is_on]
        common = [*switches, "--out", str(out), "--track", track]
        if teacher is None:
            command = ["train", *common, f"--recipe={recipe}"]
        else:
            command = ["distill", *common, f"--teacher={teacher}", "--", str(recipe)]
        launch(command, Processes(*processes))


def _run(config: "TrainingConfig", out: Path, *, teacher: str | None, force: bool, track: Tracker) -> None:
    from avadclip.training.experiment import train as train_by
    from avadclip.training.launch import is_launched, report_to_launcher
    from avadclip.training.loop import Step

    warnings: list[FootageWarning] = []

    def warn(warning: "FootageWarning") -> None:
        warnings.append(warning)
        if is_main_process():
            with bars_hidden():
                note(warning.text)

    with show_steps(f"training the {config.network_kind}") as show_step:

        def show(step: Step) -> None:
            parts = " ".join(f"{name} {value.item():.3f}" for name, value in step.losses.items())
            epochs, done = config.optimizer.epochs, (step.epoch - 1) * step.num_steps + step.step
            show_step(f"epoch {step.epoch}/{epochs}  {parts}", done, epochs * step.num_steps)

        progress = None
        try:
            progress = train_by(
                config, out=out, teacher=teacher, force=force, track=track.value, on_step=show, on_warning=warn
            )
        except (AvadclipError, KeyboardInterrupt) as stop:
            if not is_launched():
                raise
            if isinstance(stop, AvadclipError):  # else the launcher was interrupted too
                report_to_launcher(stop)
    if progress is None:
        os._exit(1)  # Python's own end would meet the threads of an unfinished exchange, which abort with a message
    if not is_main_process():
        return
    untaught = sum(not line.get("is_taught", True) for line in progress.metrics)
    if untaught:
        note(
            f"the teacher was left out of {untaught} of {len(progress.metrics)} epochs: the student was better on "
            "validation (lead_over_teacher in metrics.jsonl); --force keeps it in"
        )
    last = progress.metrics[-1]
    chosen = max(progress.metrics, key=lambda line: line["validation_ap"] or 0.0)
    report_success(f"last: epoch {last['epoch']}, loss {last['total']:.4f}, {out / 'last.safetensors'}")
    if chosen["validation_ap"] is None:
        return
    if any(warning.kind == "validation too small" for warning in warnings):
        report_success(
            f"best: epoch {chosen['epoch']}, but so few validation videos cannot tell epochs apart: "
            f"use {out / 'last.safetensors'}"
        )
    else:
        report_success(
            f"best: epoch {chosen['epoch']}, video AP {chosen['validation_ap']:.4f} on validation, "
            f"{out / 'best.safetensors'}"
        )
