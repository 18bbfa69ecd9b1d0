"""Progress on stderr: bars on a terminal, else a line at most every half minute, and nothing with `--quiet`."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from avadclip.apps.cli.terminal.console import is_quiet
from avadclip.data.progress import ShowStep
from avadclip.encoders.downloads.notice import megabytes
from avadclip.report.words import clock, printable

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

    from avadclip.encoders.downloads.notice import Advance

LINE_SECONDS = 30.0  # least time from one line to the next, and from the start to the first


class _Lines:
    """Progress where no bars can be drawn: in files, and on pipes."""

    def __init__(self, *, is_shown: bool) -> None:
        self._is_shown = is_shown
        self._due = time.monotonic() + LINE_SECONDS

    def show(self, text: str) -> None:
        """Print a line if one is due."""
        now = time.monotonic()
        if self._is_shown and now >= self._due:
            self._due = now + LINE_SECONDS
            print(f"avadclip: {printable(text)}", file=sys.stderr, flush=True)  # noqa: T201


class WorkProgress:
    """Progress over the inputs, and over the seconds of the current one."""

    def __init__(self, bars: "Progress", lines: _Lines, num_inputs: int) -> None:
        self._bars = bars
        self._lines = lines
        self._inputs: TaskID | None = None
        if num_inputs > 1:
            self._inputs = bars.add_task("videos", total=num_inputs, count="")
        self._num_inputs = num_inputs
        self._seconds = bars.add_task("", total=None, count="")
        self._current = ""

    @property
    def is_shown(self) -> bool:
        """Whether progress is displayed; if not, it need not be computed."""
        return not is_quiet()

    def begin(self, name: str, index: int) -> None:
        """Start input number `index`, from 0."""
        if self._inputs is not None:
            self._bars.update(self._inputs, completed=index, count=f"{index + 1} of {self._num_inputs}")
        self._current = f"{index + 1} of {self._num_inputs}, {name}"
        self._lines.show(self._current)
        shown = printable(name)
        shown = shown if len(shown) <= 30 else f"…{shown[-29:]}"
        self._bars.reset(self._seconds, total=None, description=shown, count="")

    def advance(self, seconds_done: float, seconds_total: float) -> None:
        """Show the progress of the current input."""
        total = max(seconds_done, seconds_total)
        count = f"{clock(seconds_done)} of {clock(total)}"
        self._bars.update(self._seconds, completed=seconds_done, total=total, count=count)
        self._lines.show(f"{self._current}: {count}")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hide the bars while something is printed: data and progress may share one terminal."""
        self._bars.stop()
        try:
            yield
        finally:
            sys.stdout.flush()
            self._bars.start()


def is_main_process() -> bool:
    """Whether this is the only process of the training, or the first of them, which reports for all."""
    return os.environ.get("RANK", "0") == "0"  # launchers number their processes so


@contextmanager
def show_work(num_inputs: int) -> Iterator[WorkProgress]:
    """Show the progress over inputs inside the block."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    count = TextColumn("{task.fields[count]}", markup=False)
    with _show(BarColumn(24), count, TimeRemainingColumn()) as (bars, lines):
        yield WorkProgress(bars, lines, num_inputs)


@contextmanager
def show_download(name: str, num_bytes: int | None) -> Iterator["Advance"]:
    """Show the progress of a download inside the block."""
    from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn

    of_all = "" if num_bytes is None else f" of {megabytes(num_bytes)}"
    with _show(BarColumn(24), DownloadColumn(), TransferSpeedColumn()) as (bars, lines):
        task = bars.add_task(printable(name), total=num_bytes)

        def advance(num_done: int) -> None:
            bars.update(task, completed=num_done)
            lines.show(f"{name}: {megabytes(num_done)}{of_all}")

        yield advance


@contextmanager
def show_steps(title: str) -> Iterator[ShowStep]:
    """Show the progress of a training, or of making a dataset, inside the block; one of several processes shows it."""
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

    columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with _show(*columns, is_shown=is_main_process()) as (bars, lines):
        task = bars.add_task(title, total=None)

        def show(text: str, num_done: int, num_steps: int) -> None:
            bars.update(task, description=text, completed=num_done, total=num_steps)
            lines.show(f"{text}, step {num_done} of {num_steps}")

        yield show


@contextmanager
def _show(*columns: "ProgressColumn", is_shown: bool = True) -> Iterator[tuple["Progress", _Lines]]:
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    console = Console(stderr=True)
    is_shown = is_shown and not is_quiet()
    with (
        bars_hidden(),
        Progress(
            TextColumn("{task.description}", markup=False),
            *columns,
            console=console,
            transient=True,
            redirect_stdout=False,  # data must reach stdout, also while stderr shows bars
            redirect_stderr=False,
            disable=not (is_shown and console.is_terminal),
        ) as bars,
    ):
        _drawn.append(bars)
        try:
            yield bars, _Lines(is_shown=is_shown and not console.is_terminal)
        finally:
            _drawn.pop()


_drawn: list["Progress"] = []  # the bars of the blocks that this process is in, the innermost last


@contextmanager
def bars_hidden() -> Iterator[None]:
    """Hide the bars of the block around this one: what is printed or drawn inside would be drawn over."""
    outer = _drawn[-1:]
    for bars in outer:
        bars.stop()
    try:
        yield
    finally:
        for bars in outer:
            bars.start()
