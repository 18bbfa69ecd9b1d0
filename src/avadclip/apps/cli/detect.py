"""`avadclip detect`."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from avadclip.apps.cli.inputs import Inputs, local_inputs
from avadclip.apps.cli.options import (
    PRECISION_HELP,
    AudioTrack,
    ChosenPrecision,
    Device,
    Network,
    NumWorkers,
    Offline,
    RayAddress,
    SkipStill,
    TimeLimit,
    local_folder,
    run_spread,
    set_offline,
    settle_precision,
    sound_rules,
    spread_by,
    spread_precision,
    with_absolute_folder,
)
from avadclip.apps.cli.report import Reports
from avadclip.apps.cli.terminal.console import complain_about, error, exit_code
from avadclip.apps.cli.terminal.progress import show_work
from avadclip.errors import AvadclipError
from avadclip.report.extras import Extra

if TYPE_CHECKING:
    from avadclip.events import EventRules
    from avadclip.inference.detector import Detection, Detector


class OutputFormat(StrEnum):
    """What goes to stdout."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    VTT = "vtt"


def detect(  # noqa: PLR0917  Typer's way to declare options
    paths: Annotated[list[str], typer.Argument(help="Video files, folders (recursive), glob patterns, http(s) URLs.")],
    model: Annotated[
        str,
        typer.Option(
            help="A checkpoint file, `starter`, hf://OWNER/NAME, `avadclip-xd` (the authors'), or `zero-shot` "
            "(untrained CLIP and Wav2CLIP)."
        ),
    ] = "starter",
    network: Network = None,
    encoders: Annotated[
        str | None, typer.Option(help="lite, lite-1, clip, clip:FOLDER or onnx:FOLDER.", show_default="the model's own")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="For zero-shot: class names, such as 'normal,fighting,explosion'.")
    ] = None,
    precision: Annotated[
        ChosenPrecision | None, typer.Option(help=PRECISION_HELP, show_default="as in the model's training")
    ] = None,
    device: Device = "auto",
    skip_still: SkipStill = False,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Score threshold of events.", show_default="the model's own"),
    ] = None,
    min_seconds: Annotated[float, typer.Option(min=0, help="Drop shorter events.")] = 0.0,
    merge_gap: Annotated[float, typer.Option(min=0, help="Merge events less than this many seconds apart.")] = 1.0,
    sound: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=THRESHOLD]",
            help="A sound that raises events, in place of the default ones; repeatable, such as 'Dog=0.4'. "
            "`avadclip weights show yamnet` lists all.",
        ),
    ] = None,
    no_sounds: Annotated[bool, typer.Option("--no-sounds", help="Do not name sounds.")] = False,
    audio_track: AudioTrack = None,
    output_format: Annotated[
        OutputFormat, typer.Option("--format", help="Output on stdout: a table for people, the others for programs.")
    ] = OutputFormat.TABLE,
    scores: Annotated[
        bool, typer.Option("--scores", help="Also print every snippet's score (table and json).")
    ] = False,
    out: Annotated[
        str | None,
        typer.Option(metavar="DIRECTORY", help="Write a report folder per video: JSON, CSV, WebVTT, PNG."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="As --out, plus a web page per video and an index page."),
    ] = None,
    also: Annotated[list[Extra] | None, typer.Option(help="Additional files in each folder of --report.")] = None,
    ray: RayAddress = None,
    workers: NumWorkers = None,
    time_limit: TimeLimit = None,
    offline: Offline = False,
) -> None:
    """Score videos and list their anomalous events.

    Data goes to stdout, progress and errors to stderr.
    A failed input is reported in one line on stderr and the others continue
    (exit code 3); if it was the only input, the exit code is 1.
    """
    set_offline(offline)
    class_words = _split_classes(classes)
    if scores and output_format in (OutputFormat.CSV, OutputFormat.VTT):
        raise typer.BadParameter(f"--scores goes with --format table or json, not {output_format}")
    if also and report is None:
        raise typer.BadParameter("--also needs --report; add --report DIR")
    from avadclip.events import EventRules

    rules = EventRules(threshold, min_seconds, merge_gap, sounds=sound_rules(sound, no_sounds=no_sounds))
    spread = spread_by(ray, workers, time_limit)
    if spread is not None:
        if out is None or report is not None or scores or output_format is not OutputFormat.TABLE:
            raise typer.BadParameter(
                "--ray writes report folders: it needs --out, without --report, --format, --scores"
            )
        from avadclip.apps.archive.detection import DetectionJob
        from avadclip.encoders.device import narrow_device
        from avadclip.inference.detector import model_encoders, obtain_weights

        chosen = None if precision is None else spread_precision(precision)
        spec, usual = model_encoders(model, encoders=encoders)
        job = DetectionJob(
            model=str(Path(model).absolute()) if Path(model).is_file() else model,
            encoders=None if encoders is None else with_absolute_folder(encoders),
            classes=class_words,
            device=narrow_device(device, spec, chosen or usual.precision),
            precision=chosen,
            rules=rules,
            sounds=not no_sounds,
            audio_track=audio_track,
            network=network,
            skip_still=skip_still,
        )
        obtain_weights(job.model, encoders=job.encoders, sounds=job.sounds)
        raise typer.Exit(run_spread(job, paths, out, spread))
    folder = None if out is None else local_folder(out)
    with local_inputs(paths) as inputs:
        if output_format is OutputFormat.VTT and inputs.num_named > 1:
            raise typer.BadParameter(
                f"--format vtt is for one video, not {inputs.num_named}; --out writes a file for each"
            )
        for problem in inputs.problems:
            error(problem)
        if not inputs.videos:
            raise typer.Exit(exit_code(len(inputs.problems), inputs.num_named))

        from avadclip.apps.cli.terminal.outputs import OUTPUTS
        from avadclip.inference.detector import load_detector, model_encoders

        settled = None
        if precision is not None:
            spec, options = model_encoders(model, encoders=encoders, device=device)
            settled = settle_precision(precision, spec, options, inputs.videos)
        detector = load_detector(
            model,
            encoders=encoders,
            classes=class_words,
            device=device,
            precision=settled,
            sounds=not no_sounds,
            network=network,
            skip_still=skip_still,
        )
        num_failed = len(inputs.problems)
        output = OUTPUTS[output_format](include_scores=scores)
        reports = Reports(inputs, out=folder, pages=report, also=also or ())
        try:
            for outcome in _detect_each(detector, inputs, reports, rules, audio_track):
                if isinstance(outcome, _Failed):
                    num_failed += 1
                    complain_about(inputs.name_of(outcome.path), inputs.describe(outcome.path, outcome.problem))
                else:
                    output.add(outcome.detection, outcome.report)
        finally:
            reports.finish()
            output.finish(num_failed)  # also after ctrl-C or a full disk: what was printed is a whole document
        raise typer.Exit(exit_code(num_failed, inputs.num_named))


class _Done(NamedTuple):
    detection: "Detection"
    report: str | None


class _Failed(NamedTuple):
    path: Path
    problem: Exception


def _detect_each(
    detector: "Detector", inputs: Inputs, reports: Reports, rules: "EventRules", audio_track: int | None
) -> Iterator[_Done | _Failed]:
    """Detect in one video after the other, with progress; bars are hidden while the caller prints."""
    with show_work(len(inputs.videos)) as work:
        for index, path in enumerate(inputs.videos):
            work.begin(inputs.name_of(path), index)
            outcome: _Done | _Failed
            try:
                on_progress = work.advance if work.is_shown else None
                detection = detector.detect(path, rules=rules, audio_track=audio_track, on_progress=on_progress)
            except (AvadclipError, OSError) as problem:
                outcome = _Failed(path, problem)
            else:
                if path in inputs.addresses:
                    detection = detection.renamed(inputs.addresses[path], path.stem)
                outcome = _Done(detection, reports.write(detection, path, work))
            with work.paused():
                yield outcome


def _split_classes(classes: str | None) -> tuple[str, ...] | None:
    if classes is None:
        return None
    words = tuple(word.strip() for word in classes.split(",") if word.strip())
    if len(words) < 2 or len(set(words)) < len(words):
        raise typer.BadParameter("--classes needs at least two different words, such as 'normal,fighting'")
    return words
