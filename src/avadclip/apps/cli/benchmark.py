"""`avadclip benchmark`."""

import dataclasses
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avadclip.apps.cli.terminal.console import make_console

if TYPE_CHECKING:
    from avadclip.research.speed.benchmark import SpeedReport

DOCUMENT_FORMAT = "avadclip-benchmark/1"


class Shown(StrEnum):
    """What goes to stdout."""

    TABLE = "table"
    JSON = "json"


class MeasuredPrecision(StrEnum):
    """Numeric precision of avadclip's extraction."""

    FP32 = "fp32"
    BF16 = "bf16"
    INT8 = "int8"


def benchmark(  # noqa: PLR0917  Typer's way to declare options
    video: Annotated[
        Path | None, typer.Argument(help="Video of constant frame rate.", show_default="one is generated")
    ] = None,
    clip: Annotated[
        Path | None, typer.Option(help="Folder with CLIP's weights.", show_default="random weights, equally fast")
    ] = None,
    precision: Annotated[
        MeasuredPrecision, typer.Option(help="Precision of avadclip's extraction.")
    ] = MeasuredPrecision.INT8,
    height: Annotated[int, typer.Option(min=64, max=2160, help="Height of the generated video, in pixels.")] = 360,
    seconds: Annotated[float, typer.Option(min=2, help="Length of the generated video.")] = 30.0,
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds; each runs every stage once.")] = 3,
    output_format: Annotated[Shown, typer.Option("--format", help="A table for people, json for programs.")] = (
        Shown.TABLE
    ),
) -> None:
    """Measure the speed of extraction with `clip`, training and scoring on this machine.

    Extraction is compared with a naive reference, as in public repositories:
    OpenCV decodes every frame, PIL resizes, eager fp32, one frame at a time.
    Needs the extra [bench]. No weights are downloaded.
    """
    from avadclip.research.speed.benchmark import measure_speed

    report = measure_speed(
        video,
        height=height,
        seconds=seconds,
        clip_folder=clip,
        precision=precision.value,
        num_rounds=rounds,
    )
    if output_format is Shown.JSON:
        typer.echo(json.dumps(_document(report), indent=2))
    else:
        _print_report(report)


def _document(report: "SpeedReport") -> dict[str, object]:
    stages = [
        {
            "name": stage.name,
            "what": stage.what,
            "wall_seconds": stage.wall_seconds._asdict(),
            "processor_seconds": stage.processor_seconds._asdict(),
        }
        for stage in report.stages
    ]
    ratios = {name: ratio._asdict() for name, ratio in report.ratios.items()}
    fields = {field.name: getattr(report, field.name) for field in dataclasses.fields(report)}
    return {"format": DOCUMENT_FORMAT, **fields, "stages": stages, "ratios": ratios}


def _print_report(report: "SpeedReport") -> None:
    console = make_console()
    machine = report.machine
    console.print(
        f"{machine['system']}, {machine['processor']}, {machine['threads']} threads on {machine['cores']} cores; "
        f"torch {machine['torch']}",
        soft_wrap=True,
    )
    if report.load_before is not None:
        console.print(f"load before the run: {report.load_before[0]:.1f} (0 on a quiet machine)", soft_wrap=True)
    console.print(f"video: {report.video}", soft_wrap=True)
    console.print(f"CLIP ViT-B/16, {report.weights} weights, {report.precision}; the naive reference fp32")
    console.print(f"{report.num_rounds} rounds in turns; median (least to most)\n")
    for stage in report.stages:
        wall, processor = stage.wall_seconds, stage.processor_seconds
        console.print(
            f"{stage.name:16} {wall.median:8.3f} s ({wall.least:.3f} to {wall.most:.3f}), "
            f"processor {processor.median:.3f} s: {stage.what}",
            soft_wrap=True,
        )
    console.print()
    for name, ratio in report.ratios.items():
        console.print(f"{name}: {ratio.median:.2f} times ({ratio.least:.2f} to {ratio.most:.2f})", soft_wrap=True)
