"""`avadclip cache`."""

from typing import Annotated

import typer

from avadclip.apps.cli.terminal.console import report_success
from avadclip.report.words import printable

cache_app = typer.Typer(no_args_is_help=True, epilog="Example: avadclip cache show")


@cache_app.callback()
def cache() -> None:
    """Show or empty the user's cache folder: weights, exported networks, measurements."""


@cache_app.command(epilog="Example: avadclip cache show")
def show() -> None:
    """List what is in the cache folder, by kind, with sizes."""
    from avadclip.encoders.downloads.cache import cache_folder
    from avadclip.encoders.downloads.contents import CACHE_KINDS, list_cache

    entries = list_cache()
    typer.echo(f"{_size(sum(entry.num_bytes for entry in entries))}  {printable(str(cache_folder()))}")
    for kind, title in CACHE_KINDS.items():
        of_kind = [entry for entry in entries if entry.kind == kind]
        if of_kind:
            typer.echo(f"{kind}: {title}")
        for entry in of_kind:
            typer.echo(f"  {_size(entry.num_bytes):>9}  {printable(entry.name)}")


@cache_app.command(epilog="Example: avadclip cache clear graphs")
def clear(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Kinds or entries as `show` lists them.", show_default="all but the records"),
    ] = None,
) -> None:
    """Delete from the cache folder, without asking, and name what was deleted.

    Weights are downloaded, and networks exported, again when they are needed.
    """
    from avadclip.encoders.downloads.contents import CACHE_KINDS, list_cache

    entries = list_cache()
    wanted = set(names or CACHE_KINDS.keys() - {"records"})
    unknown = wanted - CACHE_KINDS.keys() - {entry.name for entry in entries}
    if unknown:
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))}: not in the cache; `avadclip cache show` lists what is", param_hint="NAMES"
        )
    for entry in entries:
        if wanted & {entry.name, entry.kind}:
            entry.remove()
            report_success(f"deleted  {_size(entry.num_bytes):>9}  {printable(str(entry.path))}")


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.1f} MB"
