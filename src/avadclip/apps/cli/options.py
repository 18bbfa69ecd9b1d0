"""Options that commands share: `--offline`, `--precision`, and `--ray` with its companions."""

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TextIO, cast

import typer

from avadclip.apps.cli.inputs import expand_inputs
from avadclip.apps.cli.terminal.console import (
    complain_about,
    error,
    exit_code,
    is_quiet,
    note,
    report_success,
    resumable,
)
from avadclip.apps.cli.terminal.failures import RAY_NEEDS, check_memory_limit
from avadclip.apps.cli.terminal.progress import show_work
from avadclip.encoders.downloads.notice import go_offline
from avadclip.errors import AvadclipError
from avadclip.report.words import counted, printable

if TYPE_CHECKING:
    from avadclip.apps.archive.job import ArchiveJob
    from avadclip.apps.archive.sources import VideoSource
    from avadclip.encoders.load import EncoderOptions
    from avadclip.encoders.precision import Precision
    from avadclip.events import SoundRule


PRECISION_HELP = "For clip: fp32, bf16, int8; auto picks the fastest that agrees with fp32 on your own frames."


class ChosenPrecision(StrEnum):
    """Numeric precision of the visual encoder."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    INT8 = "int8"


def settle_precision(
    chosen: ChosenPrecision, encoders: str, options: "EncoderOptions", videos: list[Path]
) -> "Precision":
    """Resolve `auto` by a measurement (cached per machine) and report the choice on stderr."""
    if chosen is not ChosenPrecision.AUTO:
        return cast("Precision", chosen.value)
    from avadclip.features.auto_precision import choose_precision

    choice = choose_precision(encoders, options, videos)
    report_success(f"avadclip: note: --precision auto picked {choice.precision}: {choice.reason}", err=True)
    return choice.precision


def sound_rules(wanted: list[str] | None, *, no_sounds: bool) -> "tuple[SoundRule, ...] | None":
    """The sounds that raise events, by `--sound` and `--no-sounds`; None for the default ones."""
    if wanted and no_sounds:
        raise typer.BadParameter("--sound and --no-sounds exclude each other")
    if not wanted:
        return () if no_sounds else None
    from avadclip.encoders.onnx.manifest import sound_vocabulary
    from avadclip.inference.named_sounds import parse_sound_rules

    vocabulary = sound_vocabulary()
    return parse_sound_rules(wanted, vocabulary.names, vocabulary.default_sounds)


def spread_precision(chosen: ChosenPrecision) -> "Precision":
    """The precision for many machines; `auto` is a usage error, since machines could differ."""
    if chosen is ChosenPrecision.AUTO:
        raise typer.BadParameter(
            "--precision auto is measured on one machine; with --ray give one precision for all machines"
        )
    return cast("Precision", chosen.value)


Offline = Annotated[
    bool, typer.Option("--offline", help="Download no weights: missing ones are an error. As HF_HUB_OFFLINE=1.")
]
Device = Annotated[
    str,
    typer.Option(help="Device of the networks: cpu, cuda, cuda:1 or mps; auto: the first GPU that works, else cpu."),
]
Network = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The network of the checkpoint that scores: teacher, visual student, audio student, both students.",
        show_default="the checkpoint's own",
    ),
]
AudioTrack = Annotated[
    int | None,
    typer.Option(min=1, help="Audio track to use, counted from 1.", show_default="the first that is not silent"),
]
SkipStill = Annotated[
    bool,
    typer.Option(
        "--skip-still", help="Encode only what changes: a picture like the last encoded one takes its features."
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Distribute the videos over worker processes: `local` on this machine, or the address of a Ray cluster. "
        "Inputs and --out may then be URLs such as s3://bucket/folder.",
    ),
]
NumWorkers = Annotated[
    int | None, typer.Option(min=1, help="With --ray: worker processes.", show_default="one per core or GPU")
]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        min=1, help="With --ray: time limit in seconds per video, or per half hour of a long one.", show_default="3600"
    ),
]


def set_offline(offline: bool) -> None:
    """Apply `--offline`, before anything is imported that could download."""
    if offline:
        go_offline()


class SpreadOptions(NamedTuple):
    """Options of a distributed run over an archive."""

    ray: str
    workers: int | None
    time_limit: float | None


def spread_by(ray: str | None, workers: int | None, time_limit: float | None) -> SpreadOptions | None:
    """Collect the options of a distributed run, None without --ray; options that do not fit are a usage error."""
    if ray is not None:
        return SpreadOptions(ray, workers, time_limit)
    if workers is not None or time_limit is not None:
        raise typer.BadParameter("--workers and --time-limit need --ray; add `--ray local`")
    return None


def local_folder(out: str) -> Path:
    """The output folder of a run without --ray."""
    if "://" in out:
        raise typer.BadParameter(f"{out} is a URL, which needs --ray; give a folder, or add `--ray local`")
    if Path(out).is_file():
        raise typer.BadParameter(f"{out} is a file, needed a folder")
    return Path(out)


def with_absolute_folder(encoders: str) -> str:
    """`clip:FOLDER` with an absolute path, since workers may have another current folder."""
    name, colon, folder = encoders.partition(":")
    return f"{name}:{Path(folder).expanduser().absolute()}" if folder else f"{name}{colon}"


def run_spread(job: "ArchiveJob", names: list[str], out: str, spread: SpreadOptions) -> int:
    """Run over an archive, print one line per video on stdout, and return the exit code."""
    from avadclip.apps.archive.cluster import LOCAL
    from avadclip.apps.archive.run import TIME_LIMIT_SECONDS, run_archive

    if spread.ray == LOCAL:
        check_memory_limit("Ray", RAY_NEEDS)
    address = out if "://" in out else str(local_folder(out).absolute())
    sources, problems = _find(names)
    for problem in problems:
        error(problem)
    num_of = {"done": 0, "kept": 0, "failed": len(problems)}
    if sources:
        outcomes = run_archive(
            job,
            sources,
            address,
            ray_address=spread.ray,
            num_workers=spread.workers,
            time_limit_seconds=spread.time_limit or TIME_LIMIT_SECONDS,
            on_note=note,
        )
        with _only_data_on_stdout() as data, show_work(len(sources)) as work, resumable("skips finished videos"):
            for number, outcome in enumerate(outcomes):
                work.begin(outcome.source.name, number)
                with work.paused():
                    num_of[outcome.status] += 1
                    if outcome.status == "failed":
                        complain_about(outcome.source.name, outcome.message)
                    elif not is_quiet():
                        print(f"{outcome.status}  {printable(outcome.output)}", file=data, flush=True)
    report_success(
        f"{counted(num_of['done'], 'video')} done, {num_of['kept']} up to date, {num_of['failed']} failed", err=True
    )
    return exit_code(num_of["failed"], len(sources) + len(problems))


@contextmanager
def _only_data_on_stdout() -> Iterator[TextIO]:
    """Redirect Ray's own messages away from stdout, which carries the results."""
    with Path(os.devnull).open("w") as nowhere:
        data = sys.stdout
        with redirect_stdout(nowhere):
            yield data


def _find(names: Iterable[str]) -> tuple[list["VideoSource"], list[str]]:
    """Find the videos for all names, each once, and the problems of names without videos."""
    from avadclip.apps.archive.sources import find_remote, local_source

    sources: dict[str, VideoSource] = {}
    problems: list[str] = []
    for name in names:
        if "://" in name:
            try:
                found = find_remote(name)
            except AvadclipError as problem:
                problems.append(str(problem))
                continue
        else:
            inputs = expand_inputs([name])
            problems += inputs.problems
            found = [local_source(path, _root(name)) for path in inputs.videos]
        for source in found:
            sources.setdefault(source.address, source)
    return list(sources.values()), problems


def _root(name: str) -> Path | None:
    """The folder that result paths are relative to: the named folder, or the fixed part of a pattern."""
    path = Path(name)
    if path.is_dir():
        return path
    if path.exists():
        return None
    fixed = list(takewhile(lambda part: not glob.has_magic(part), path.parts))
    return Path(*fixed) if len(fixed) < len(path.parts) else None
