"""The command `avadclip`: its subcommands, and the exit codes of errors.

Heavy libraries are imported inside the commands, so that `avadclip --help` answers at once.
"""

import os
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from avadclip import __version__
from avadclip.apps.cli.benchmark import benchmark
from avadclip.apps.cli.calibrate import calibrate
from avadclip.apps.cli.data import data_app
from avadclip.apps.cli.detect import detect
from avadclip.apps.cli.evaluate import evaluate
from avadclip.apps.cli.features.compare import compare_features
from avadclip.apps.cli.features.extract import extract
from avadclip.apps.cli.installation.cache import cache_app
from avadclip.apps.cli.installation.doctor import doctor
from avadclip.apps.cli.installation.init import init
from avadclip.apps.cli.installation.weights import weights_app
from avadclip.apps.cli.report import report
from avadclip.apps.cli.reproduce import reproduce
from avadclip.apps.cli.robustness import robustness
from avadclip.apps.cli.serve import serve
from avadclip.apps.cli.terminal.console import error, set_quiet
from avadclip.apps.cli.terminal.failures import check_memory_limit, memory_shortage
from avadclip.apps.cli.terminal.progress import show_download, show_steps
from avadclip.apps.cli.train import distill, train
from avadclip.apps.cli.verdicts.pull import verdicts_app
from avadclip.apps.cli.watch import watch
from avadclip.data import progress as data_progress
from avadclip.encoders.downloads import notice
from avadclip.errors import AvadclipError


class _Group(TyperGroup):
    """Takes `--quiet` before and after the name of the command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        if "--quiet" in args[:end]:
            args = ["--quiet", *(argument for argument in args[:end] if argument != "--quiet"), *args[end:]]
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="avadclip",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"avadclip {__version__}")
        raise typer.Exit


@app.callback(epilog="Example: avadclip detect video.mp4")
def main(
    version: Annotated[  # noqa: ARG001  handled by its callback
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Show no progress and no notes of success; with every command.")
    ] = False,
) -> None:
    """Detect anomalous events in untrimmed video from picture and sound.

    Exit codes: 0 done; 1 unusable input; 2 bad command line;
    3 some of several inputs failed, the others are done; 130 interrupted.
    """
    set_quiet(quiet)
    check_memory_limit()


app.command(
    epilog="Example: avadclip detect lobby.mp4 recordings/ 'cam*/2026-*.mkv' --out reports",
)(detect)
app.command(
    epilog="Example: avadclip extract videos/ --out features --encoders clip --crops published-5",
)(extract)
app.command(epilog="Example: avadclip compare-features features /data/xd --videos videos")(compare_features)
app.command(epilog="Example: avadclip train videos/ --out runs/mine")(train)
app.command(
    epilog="Example: avadclip distill configs/synthetic/visual_student.toml --teacher runs/teacher/best.safetensors "
    "--out runs/student",
)(distill)
app.command(epilog="Example: avadclip evaluate runs/teacher/best.safetensors --data synthetic:small")(evaluate)
app.command(
    epilog="Example: avadclip robustness runs/student/best.safetensors --data synthetic:small --out runs/robustness",
)(robustness)
app.command(
    epilog="Example: avadclip calibrate starter --normal nights/ --false-alarms-per-hour 0.5 --out yard.safetensors",
)(calibrate)
app.command(epilog="Example: avadclip reproduce 5 --data xd-violence:/data/xd --out reproduction")(reproduce)
app.command(epilog="Example: avadclip report result.json --out pages --also elan")(report)
app.command(epilog="Example: avadclip benchmark --height 1080 --format json")(benchmark)
app.command(epilog="Example: avadclip serve --folder recordings/")(serve)
app.command(epilog="Example: avadclip watch rtsp://camera.local/stream1")(watch)
app.command(epilog="Example: avadclip init labels labels.csv")(init)
app.add_typer(verdicts_app, name="verdicts")
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")
app.add_typer(cache_app, name="cache")
app.command(epilog="Example: avadclip doctor")(doctor)


def run() -> None:
    """Run the command line; the entry point of the installed script. Never returns."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file name may contain characters that the terminal's encoding lacks
            stream.reconfigure(errors="backslashreplace")
    notice.show_progress, data_progress.show_steps = show_download, show_steps
    try:
        app(prog_name="avadclip")
    except AvadclipError as problem:
        error(str(problem))
        _leave(1)
    except OSError as problem:  # a full disk, an output folder that cannot be written
        if isinstance(problem, BrokenPipeError):
            _leave(1)
        error(str(problem))
        _leave(1)
    except Exception as problem:
        shortage = memory_shortage(problem)
        if shortage is None:
            raise
        error(shortage)
        _leave(1)
    except KeyboardInterrupt:
        _leave(130)
    except SystemExit as stop:
        _leave(stop.code if isinstance(stop.code, int) else 0)


def _leave(code: int) -> None:
    """Exit without Python's warning about a closed pipe (`| head`)."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
