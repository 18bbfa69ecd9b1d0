"""`avadclip extract`."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avadclip.apps.cli.inputs import Inputs, local_inputs
from avadclip.apps.cli.options import (
    PRECISION_HELP,
    AudioTrack,
    ChosenPrecision,
    Device,
    NumWorkers,
    Offline,
    RayAddress,
    SkipStill,
    TimeLimit,
    local_folder,
    run_spread,
    set_offline,
    settle_precision,
    spread_by,
    spread_precision,
    with_absolute_folder,
)
from avadclip.apps.cli.terminal.console import complain_about, error, exit_code, report_success, resumable
from avadclip.apps.cli.terminal.progress import WorkProgress, show_work
from avadclip.report.words import counted, printable

if TYPE_CHECKING:
    from avadclip.apps.archive.extraction import ExtractionJob
    from avadclip.encoders.base import Encoders
    from avadclip.encoders.load import EncoderOptions
    from avadclip.features.batch import BatchProgress, ExtractionOutcome


class Crops(StrEnum):
    """Crops that are encoded of each frame."""

    CENTRE = "centre"
    PUBLISHED_1 = "published-1"
    PUBLISHED_5 = "published-5"
    PUBLISHED_10 = "published-10"


def extract(  # noqa: PLR0917  Typer's way to declare options
    paths: Annotated[list[str], typer.Argument(help="Video files, folders (recursive), glob patterns, http(s) URLs.")],
    out: Annotated[str, typer.Option(metavar="DIRECTORY", help="Output folder for the feature files, one per video.")],
    encoders: Annotated[
        str, typer.Option(help="lite, lite-1, clip, clip:FOLDER or onnx:FOLDER; starter was trained on lite.")
    ] = "lite",
    crops: Annotated[
        Crops,
        typer.Option(
            help="centre: 224 crop, aspect ratio kept. published: resized to 340x256; centre crop (1), plus four "
            "corners (5), plus mirror images (10). lite supports only centre."
        ),
    ] = Crops.CENTRE,
    snippet_frames: Annotated[int, typer.Option(min=1, help="Frames per snippet; CCTV-Fights uses 4.")] = 16,
    frames_per_snippet: Annotated[int, typer.Option(min=1, help="For clip: frames averaged per snippet.")] = 1,
    sound: Annotated[bool, typer.Option(help="Also encode the sound track.")] = True,
    audio_track: AudioTrack = None,
    precision: Annotated[ChosenPrecision, typer.Option(help=PRECISION_HELP)] = ChosenPrecision.FP32,
    device: Device = "auto",
    skip_still: SkipStill = False,
    ray: RayAddress = None,
    workers: NumWorkers = None,
    time_limit: TimeLimit = None,
    offline: Offline = False,
) -> None:
    """Extract features from videos with the frozen encoders, for training and evaluation.

    Feature files are written atomically. A video is skipped if its feature
    file already has the same content hash, encoders and options.
    A failed input is reported in one line on stderr and the others continue
    (exit code 3); if it was the only input, the exit code is 1.
    """
    set_offline(offline)
    if frames_per_snippet > snippet_frames:
        raise typer.BadParameter(f"{frames_per_snippet} frames cannot be taken from snippets of {snippet_frames}")
    spread = spread_by(ray, workers, time_limit)
    looks: dict[str, Any] = {
        "snippet_frames": snippet_frames,
        "frames_per_snippet": frames_per_snippet,
        "sound": sound,
        "device": device,
    }
    if spread is not None:
        from avadclip.encoders.device import narrow_device
        from avadclip.encoders.weights import obtain_encoders

        chosen = spread_precision(precision)
        looks |= {"precision": chosen, "device": narrow_device(device, encoders, chosen)}
        options = _options(crops, looks)
        obtain_encoders(encoders, sound=sound)
        job = _make_job(encoders, options, audio_track, skip_still=skip_still)
        raise typer.Exit(run_spread(job, paths, out, spread))
    folder = local_folder(out)
    with local_inputs(paths) as inputs:
        for problem in inputs.problems:
            error(problem)
        if not inputs.videos:
            raise typer.Exit(exit_code(len(inputs.problems), inputs.num_named))

        from avadclip.encoders.load import load_encoders

        options = _options(crops, looks)
        options = options.model_copy(
            update={"precision": settle_precision(precision, encoders, options, inputs.videos)}
        )
        loaded = load_encoders(encoders, options)
        if skip_still:
            loaded = loaded._replace(skip_still=True)
        num_of = {"done": 0, "kept": 0, "failed": len(inputs.problems)}
        for outcome in _extract_each(inputs, folder, loaded, snippet_frames, audio_track):
            num_of[outcome.status] += 1
            if outcome.status == "failed":
                complain_about(inputs.name_of(outcome.path), inputs.describe(outcome.path, outcome.message))
            else:
                report_success(f"{outcome.status}  {printable(str(outcome.feature_file))}")
                if outcome.message:
                    report_success(f"avadclip: note: {printable(outcome.message)}", err=True)
        report_success(
            f"{counted(num_of['done'], 'video')} extracted, {num_of['kept']} up to date, {num_of['failed']} failed",
            err=True,
        )
        raise typer.Exit(exit_code(num_of["failed"], inputs.num_named))


def _options(crops: Crops, looks: dict[str, Any]) -> "EncoderOptions":
    from avadclip.encoders.load import EncoderOptions

    framing, _, num_crops = crops.partition("-")
    return EncoderOptions.model_validate({**looks, "framing": framing, "num_crops": int(num_crops or 1)})


def _make_job(
    encoders: str, options: "EncoderOptions", audio_track: int | None, *, skip_still: bool
) -> "ExtractionJob":
    from avadclip.apps.archive.extraction import ExtractionJob
    from avadclip.timeline import SnippetGrid

    grid = SnippetGrid(snippet_frames=options.snippet_frames)
    return ExtractionJob(with_absolute_folder(encoders), options, grid, audio_track, skip_still)


def _extract_each(
    inputs: Inputs, out: Path, encoders: "Encoders", snippet_frames: int, audio_track: int | None
) -> Iterator["ExtractionOutcome"]:
    """Extract one video after the other, with progress; bars are hidden while the caller prints."""
    from avadclip.features.batch import extract_to_folder
    from avadclip.timeline import SnippetGrid

    grid = SnippetGrid(snippet_frames=snippet_frames)
    with show_work(len(inputs.videos)) as work, resumable("skips finished videos"):
        on_progress = _follow(work, inputs) if work.is_shown else None
        for outcome in extract_to_folder(
            inputs.videos, out, encoders, grid=grid, audio_track=audio_track, on_progress=on_progress
        ):
            with work.paused():
                yield outcome


def _follow(work: WorkProgress, inputs: Inputs) -> "BatchProgress":
    begun: set[Path] = set()

    def on_progress(path: Path, seconds_done: float, seconds_total: float) -> None:
        if path not in begun:
            work.begin(inputs.name_of(path), inputs.videos.index(path))
            begun.add(path)
        work.advance(seconds_done, seconds_total)

    return on_progress
