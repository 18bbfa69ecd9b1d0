"""`avadclip compare-features`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avadclip.apps.cli.options import Offline, set_offline
from avadclip.apps.cli.terminal.comparison_tables import print_comparison
from avadclip.apps.cli.terminal.console import error, exit_code, note

if TYPE_CHECKING:
    from avadclip.research.comparison.records import FeatureComparison


class ComparisonFormat(StrEnum):
    """What goes to stdout."""

    TABLE = "table"
    JSON = "json"


def compare_features(  # noqa: PLR0917  Typer's way to declare options
    mine: Annotated[Path, typer.Argument(help="Your features: a folder, or one .npy or .safetensors file.")],
    theirs: Annotated[Path, typer.Argument(help="Those to compare with, such as the published ones; likewise.")],
    videos: Annotated[
        Path | None,
        typer.Option(help="The videos' folder: some snippets are encoded again in every way that is tried."),
    ] = None,
    encoders: Annotated[
        str, typer.Option(help="With --videos: what made the features; clip, clip:FOLDER, lite or onnx:FOLDER.")
    ] = "clip",
    output_format: Annotated[
        ComparisonFormat, typer.Option("--format", help="A table for people, JSON for programs.")
    ] = ComparisonFormat.TABLE,
    offline: Offline = False,
) -> None:
    """Compare your extraction with published feature files, and name the likely cause of a difference.

    Cosines by video, crop and snippet. Another crop, a shift by a snippet,
    another length, scale or precision show in the features alone; framing,
    colour order, frame, resize kernel and the normalisation of the sound
    with --videos only.
    """
    set_offline(offline)
    comparison = _compare(mine, theirs, videos, encoders)
    for problem in comparison.problems:
        error(problem)
    if output_format is ComparisonFormat.JSON:
        typer.echo(comparison.model_dump_json(indent=2))
    else:
        print_comparison(comparison)
    num_compared = len({crop.video for crop in comparison.crops})
    raise typer.Exit(exit_code(len(comparison.problems), num_compared + len(comparison.problems)))


def _compare(mine: Path, theirs: Path, videos: Path | None, encoders: str) -> "FeatureComparison":
    from avadclip.research.comparison.compare import compare_features as compare

    if videos is None:
        return compare(mine, theirs)
    from avadclip.encoders.device import AUTO
    from avadclip.research.comparison.ways import load_ways

    note("snippets of the videos are encoded again, which takes a while")
    return compare(mine, theirs, videos=videos, make_ways=load_ways(encoders, AUTO))
