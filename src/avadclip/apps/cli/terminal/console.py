"""Terminal output besides the data: errors, notes and progress, all on stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from avadclip.report.words import clock, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from avadclip.encoders.downloads.notice import Advance


def error(message: str) -> None:
    """Print an error on stderr, always as one line."""
    print(f"avadclip: error: {printable(' '.join(message.splitlines()))}", file=sys.stderr)  # noqa: T201


def note(message: str) -> None:
    """Print a note on stderr, always as one line."""
    print(f"avadclip: note: {printable(' '.join(message.splitlines()))}", file=sys.stderr)  # noqa: T201


def make_console() -> "Console":
    """Console for people on stdout; plain text if stdout is not a terminal."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False)


def complain_about(name: str, problem: Exception | str) -> None:
    """Print one error line that names the input exactly once."""
    message = str(problem)
    error(message if printable(name) in message or name in message else f"{name}: {message}")


def exit_code(num_failed: int, num_inputs: int) -> int:
    """Exit code: 0 without failures, 1 if the only input failed, 3 if some of several failed."""
    if num_failed == 0:
        return 0
    return 1 if num_inputs == 1 else 3


class WorkProgress:
    """Progress over the inputs, and over the seconds of the current one."""

    def __init__(self, progress: "Progress", num_inputs: int) -> None:
        self._progress = progress
        self._inputs: TaskID | None = None
        if num_inputs > 1:
            self._inputs = progress.add_task("videos", total=num_inputs, count="")
        self._num_inputs = num_inputs
        self._seconds = progress.add_task("", total=None, count="")

    @property
    def is_shown(self) -> bool:
        """Whether bars are displayed; if not, their totals need not be computed."""
        return not self._progress.disable

    def begin(self, name: str, index: int) -> None:
        """Start input number `index`, from 0."""
        if self._inputs is not None:
            self._progress.update(self._inputs, completed=index, count=f"{index + 1} of {self._num_inputs}")
        shown = printable(name)
        shown = shown if len(shown) <= 30 else f"…{shown[-29:]}"
        self._progress.reset(self._seconds, total=None, description=shown, count="")

    def advance(self, seconds_done: float, seconds_total: float) -> None:
        """Show the progress of the current input."""
        total = max(seconds_done, seconds_total)
        count = f"{clock(seconds_done)} of {clock(total)}"
        self._progress.update(self._seconds, completed=seconds_done, total=total, count=count)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hide the bars while something is printed: data and progress may share one terminal."""
        self._progress.stop()
        try:
            yield
        finally:
            sys.stdout.flush()
            self._progress.start()


@contextmanager
def show_work(num_inputs: int) -> Iterator[WorkProgress]:
    """Show progress bars on stderr inside the block; none if stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}", markup=False),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,  # data must reach stdout, also while stderr shows bars
        redirect_stderr=False,
        disable=not console.is_terminal,
    ) as progress:
        yield WorkProgress(progress, num_inputs)


@contextmanager
def show_download(name: str, num_bytes: int | None) -> Iterator["Advance"]:
    """Show the progress of a download on stderr inside the block; nothing if stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(24), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(printable(name), total=num_bytes)
        yield lambda done: progress.update(task, completed=done)
