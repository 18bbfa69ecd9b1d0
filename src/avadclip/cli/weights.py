"""`avadclip weights`."""

from pathlib import Path
from typing import Annotated

import typer

from avadclip.report.words import printable

weights_app = typer.Typer(no_args_is_help=True, epilog="Example: avadclip weights list")


@weights_app.callback()
def weights() -> None:
    """Find, explain and convert the weights that models and encoders need."""


@weights_app.command(epilog="Example: avadclip weights show starter")
def show(
    model: Annotated[str, typer.Argument(help="A checkpoint file, or the name of a shipped one: `starter`.")] = (
        "starter"
    ),
) -> None:
    """Print a checkpoint's model card: what it is, what it learned from, how it was measured."""
    from avadclip.checkpoint import read_card

    typer.echo(read_card(model).rstrip())


@weights_app.command("list", epilog="Example: avadclip weights list --folder models/clip")
def list_weights(
    folder: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Look into this folder as well.")
    ] = None,
) -> None:
    """List the weights that the encoders use, whether they are on this machine, and how to get the rest.

    Nothing is downloaded.
    """
    from avadclip.encoders.weights import known_weights

    for weights in known_weights(folder):
        typer.echo(f"{weights.name:<9} {weights.what_for}")
        if weights.found is None:
            typer.echo(f"          not here; {weights.how_to_get}")
        else:
            typer.echo(f"          {printable(str(weights.found))}")


@weights_app.command(epilog="Example: avadclip weights convert ViT-B-16.pt --out models/clip")
def convert(
    source: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="OpenAI's ViT-B-16.pt, Hugging Face's pytorch_model.bin, or Wav2CLIP.pt."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder for the result.", show_default="the folder of the source"),
    ] = None,
) -> None:
    """Turn published weights into safetensors, once.

    The source is a pickle: it is read without running code from it,
    and its names and shapes are checked.
    """
    from avadclip.encoders.convert import convert_weights

    converted = convert_weights(source, source.parent if out is None else out)
    typer.echo(printable(str(converted.path)))
    if converted.note:
        typer.echo(converted.note, err=True)
