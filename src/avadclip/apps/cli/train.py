"""`avadclip train` and `avadclip distill`."""

import os
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

ConfigFile = Annotated[Path, typer.Argument(help="Training recipe (TOML); see configs/ for examples.")]
OptionalConfig = Annotated[
    Path | None, typer.Argument(help="Training recipe (TOML); see configs/ for examples.", show_default=False)
]
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
    out: Annotated[Path, typer.Option(help="Run folder, to resume by the same command; for --verdicts the new file.")],
    config: OptionalConfig = None,
    verdicts: Annotated[
        Path | None, typer.Option(file_okay=False, help="Refit --model to a folder that `avadclip verdicts` wrote.")
    ] = None,
    model: Annotated[str, typer.Option(help="For --verdicts: a checkpoint file, or `starter`.")] = "starter",
    devices: Devices = 1,
    nodes: Nodes = 1,
    main_address: MainAddress = None,
    offline: Offline = False,
) -> None:
    """Train a teacher, a student without distillation, or a comparison system from a recipe.

    With --verdicts instead of a recipe, refit the students of a checkpoint
    of the variant `extended` to judged footage, and set their thresholds.
    """
    set_offline(offline)
    if (config is None) == (verdicts is None):
        raise typer.BadParameter("give either a recipe or --verdicts")
    if verdicts is not None:
        if out.exists():
            raise typer.BadParameter(f"{out} exists already; give the new checkpoint another name")
        adapt_to_verdicts(model, verdicts, out, keep_recall=KEEP_RECALL, device="auto")
        return
    assert config is not None, "one of both was given"
    if out.is_file():
        raise typer.BadParameter(f"{out} is a file, needed a run folder")
    _start(config, out, None, force=False, devices=devices, nodes=nodes, main_address=main_address)


def distill(  # noqa: PLR0917  Typer's way to declare options
    config: ConfigFile,
    teacher: Annotated[Path, typer.Option(help="Checkpoint with the teacher.")],
    out: OutFolder,
    force: Annotated[
        bool, typer.Option("--force", help="Learn from the teacher also while the student is better on validation.")
    ] = False,
    devices: Devices = 1,
    nodes: Nodes = 1,
    main_address: MainAddress = None,
    offline: Offline = False,
) -> None:
    """Distil a teacher into a student that uses only picture or only sound."""
    set_offline(offline)
    _start(config, out, teacher, force=force, devices=devices, nodes=nodes, main_address=main_address)


def _start(
    recipe: Path, out: Path, teacher: Path | None, *, force: bool, devices: int, nodes: int, main_address: str | None
) -> None:
    """Train in this process, or launch several processes that each run this command."""
    with resumable("resumes after the last finished epoch"):
        from avadclip.inference.networks import read_recipe

        config = read_recipe(recipe)
        if devices == nodes == 1:
            _run(config, out, teacher=teacher, force=force)
            return
        from avadclip.training.launch import Processes, launch

        command = ["train"] if teacher is None else ["distill", "--teacher", str(teacher)]
        switches = [name for name, is_on in (("--quiet", is_quiet()), ("--force", force)) if is_on]
        launch([*command, *switches, "--out", str(out), "--", str(recipe)], Processes(devices, nodes, main_address))


def _run(config: "TrainingConfig", out: Path, *, teacher: Path | None, force: bool) -> None:
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
            progress = train_by(config, out=out, teacher=teacher, force=force, on_step=show, on_warning=warn)
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
