"""`avadclip init`: commented templates of the files that commands read."""

from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from avadclip.apps.cli.terminal.console import report_success
from avadclip.errors import ConfigError
from avadclip.files import write_atomically


class Template(StrEnum):
    """A file that a user writes by hand."""

    RECIPE = "recipe"
    CAMERAS = "cameras"
    LABELS = "labels"


FILES = {Template.RECIPE: "recipe.toml", Template.CAMERAS: "cameras.toml", Template.LABELS: "labels.csv"}
"""Name of each template, and of the file that is written by default."""


def init(
    template: Annotated[
        Template,
        typer.Argument(
            help="recipe: for `train --recipe` and `distill`; cameras: for `watch --config`; labels: for `train`."
        ),
    ],
    file: Annotated[
        Path | None, typer.Argument(help="File to write.", show_default="recipe.toml, cameras.toml or labels.csv")
    ] = None,
) -> None:
    """Write a commented template, to be edited. An existing file is never replaced."""
    path = file or Path(FILES[template])
    if path.exists():
        raise ConfigError(f"{path} exists, and is not replaced; name another file")
    content = resources.files("avadclip.apps.cli.installation").joinpath("templates", FILES[template]).read_bytes()
    write_atomically(path, content)
    report_success(str(path))
