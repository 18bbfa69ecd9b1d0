"""`avadclip train` and `avadclip distill`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avadclip.apps.cli.options import Offline, set_offline
from avadclip.errors import AvadclipError

if TYPE_CHECKING:
    from avadclip.config import TrainingConfig

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


def train(  # noqa: PLR0917  Typer's way to declare options
    config: ConfigFile,
    out: OutFolder,
    devices: Devices = 1,
    nodes: Nodes = 1,
    main_address: MainAddress = None,
    offline: Offline = False,
) -> None:
    """Train a teacher, a student without distillation, or a comparison system from a recipe."""
    set_offline(offline)
    _start(config, out, None, devices=devices, nodes=nodes, main_address=main_address)


def distill(  # noqa: PLR0917  Typer's way to declare options
    config: ConfigFile,
    teacher: Annotated[Path, typer.Option(help="Checkpoint with the teacher.")],
    out: OutFolder,
    devices: Devices = 1,
    nodes: Nodes = 1,
    main_address: MainAddress = None,
    offline: Offline = False,
) -> None:
    """Distil a teacher into a student that uses only picture or only sound."""
    set_offline(offline)
    _start(config, out, teacher, devices=devices, nodes=nodes, main_address=main_address)


def _start(
    recipe: Path, out: Path, teacher: Path | None, *, devices: int, nodes: int, main_address: str | None
) -> None:
    """Train in this process, or launch several processes that each run this command."""
    from avadclip.inference.networks import read_recipe

    config = read_recipe(recipe)
    if devices > 1 or nodes > 1:
        from avadclip.training.launch import Processes, launch

        command = ["train"] if teacher is None else ["distill", "--teacher", str(teacher)]
        launch([*command, "--out", str(out), "--", str(recipe)], Processes(devices, nodes, main_address))
        return
    try:
        _run(config, out, teacher=teacher)
    except AvadclipError as error:
        from avadclip.training.launch import is_launched, report_to_launcher

        if not is_launched():
            raise
        report_to_launcher(error)
        raise typer.Exit(1) from error


def _run(config: "TrainingConfig", out: Path, *, teacher: Path | None) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from avadclip.training.experiment import train as train_by
    from avadclip.training.loop import Step

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    is_main_process = os.environ.get("RANK", "0") == "0"  # launchers number their processes so
    is_shown = console.is_terminal and is_main_process
    with Progress(*columns, console=console, transient=True, disable=not is_shown) as bar:
        task = bar.add_task(f"training the {config.network_kind}", total=None)

        def show(step: Step) -> None:
            parts = " ".join(f"{name} {value.item():.3f}" for name, value in step.losses.items())
            done = (step.epoch - 1) * step.num_steps + step.step
            bar.update(
                task,
                description=f"epoch {step.epoch}/{config.optimizer.epochs}  {parts}",
                completed=done,
                total=config.optimizer.epochs * step.num_steps,
            )

        progress = train_by(config, out=out, teacher=teacher, on_step=show)
    if not is_main_process:
        return
    last = progress.metrics[-1]
    chosen = max(progress.metrics, key=lambda line: line["validation_ap"] or 0.0)
    typer.echo(f"last: epoch {last['epoch']}, loss {last['total']:.4f}, {out / 'last.safetensors'}")
    if chosen["validation_ap"] is not None:
        typer.echo(
            f"best: epoch {chosen['epoch']}, video AP {chosen['validation_ap']:.4f} on validation, "
            f"{out / 'best.safetensors'}"
        )
