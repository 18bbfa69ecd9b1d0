"""Terminal output besides the data: errors, notes of what to know, and notes of success."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from avadclip.encoders.downloads import notice
from avadclip.report.words import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_is_quiet = False


def set_quiet(quiet: bool) -> None:
    """Apply `--quiet`: no progress and no notes of success, on stderr and stdout."""
    global _is_quiet  # noqa: PLW0603  of this process, as the streams are
    _is_quiet = quiet
    notice.announces = not quiet


def is_quiet() -> bool:
    """Whether `--quiet` was given."""
    return _is_quiet


def error(message: str) -> None:
    """Print an error on stderr, always as one line."""
    print(f"avadclip: error: {printable(' '.join(message.splitlines()))}", file=sys.stderr)  # noqa: T201


def note(message: str) -> None:
    """Print what the user should know on stderr, always as one line."""
    print(f"avadclip: note: {printable(' '.join(message.splitlines()))}", file=sys.stderr)  # noqa: T201


def report_success(message: str, *, err: bool = False) -> None:
    """Print a line on what was done, such as a written file; nothing with `--quiet`."""
    if not _is_quiet:
        typer.echo(message, err=err)


@contextmanager
def resumable(how: str) -> Iterator[None]:
    """Print on Ctrl-C inside the block how the same command goes on, for example `skips finished videos`."""
    try:
        yield
    except KeyboardInterrupt:
        note(f"interrupted; the same command {how}")
        raise


def make_console() -> "Console":
    """Console for people on stdout; plain text if stdout is not a terminal."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False)


def plain_table(words: Sequence[str], numbers: Sequence[str], *, gap: int) -> "Table":
    """A table without lines: columns of words, which fold, then columns of numbers, `gap` spaces between them."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")
    for name in words:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def complain_about(name: str, problem: Exception | str) -> None:
    """Print one error line that names the input exactly once."""
    message = str(problem)
    error(message if printable(name) in message or name in message else f"{name}: {message}")


def exit_code(num_failed: int, num_inputs: int) -> int:
    """Exit code: 0 without failures, 1 if the only input failed, 3 if some of several failed."""
    if num_failed == 0:
        return 0
    return 1 if num_inputs == 1 else 3
