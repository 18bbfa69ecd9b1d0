import os
import pty
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from avadclip.apps.cli.terminal import progress
from avadclip.apps.cli.terminal.console import set_quiet
from avadclip.apps.cli.terminal.progress import show_download, show_steps, show_work

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def pass_seconds(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Turns the clock of the progress on."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def turn(seconds: float) -> None:
        now[0] += seconds

    return turn


def test_on_a_pipe_a_line_is_printed_every_half_minute(
    capsys: pytest.CaptureFixture[str], pass_seconds: Callable[[float], None]
) -> None:
    with show_work(2) as work:
        work.begin("lobby.mp4", 0)
        for second in range(100):
            work.advance(second, 600)
            pass_seconds(1)
        work.begin("yard\n.mp4", 1)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "avadclip: 1 of 2, lobby.mp4: 0:30 of 10:00",
        "avadclip: 1 of 2, lobby.mp4: 1:00 of 10:00",
        "avadclip: 1 of 2, lobby.mp4: 1:30 of 10:00",
    ]


SHOWN: list[tuple[Callable[[], AbstractContextManager[Any]], tuple[Any, ...], str]] = [
    (lambda: show_download("Wav2CLIP.pt", 50_000_000), (20_000_000,), "Wav2CLIP.pt: 20 MB of 50 MB"),
    (lambda: show_steps("training"), ("epoch 3/40", 30, 400), "epoch 3/40, step 30 of 400"),
]


@pytest.mark.parametrize(("show", "arguments", "line"), SHOWN)
def test_downloads_and_training_are_shown_on_a_pipe_too(
    show: Callable[[], AbstractContextManager[Any]],
    arguments: tuple[Any, ...],
    line: str,
    capsys: pytest.CaptureFixture[str],
    pass_seconds: Callable[[float], None],
) -> None:
    with show() as advance:
        advance(*arguments)
        pass_seconds(30)
        advance(*arguments)
    assert capsys.readouterr() == ("", f"avadclip: {line}\n")


def test_other_processes_and_quiet_commands_show_none(
    capsys: pytest.CaptureFixture[str], pass_seconds: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as launched:
        launched.setenv("RANK", "1")
        with show_steps("training") as show:
            pass_seconds(60)
            show("epoch 3/40", 30, 400)
    set_quiet(True)
    try:
        with show_work(1) as work:
            pass_seconds(60)
            work.begin("lobby.mp4", 0)
        assert not work.is_shown
    finally:
        set_quiet(False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("quiet", [False, True])
def test_a_terminal_has_bars_unless_quiet(quiet: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    set_quiet(quiet)
    try:
        with os.fdopen(theirs, "w") as terminal:
            monkeypatch.setattr("sys.stderr", terminal)
            with show_work(3) as work:
                work.begin("lobby.mp4", 1)
            terminal.write("end")
        shown = b""
        while b"end" not in shown:  # a bar comes in several pieces
            shown += os.read(ours, 65536)
        assert (b"2 of 3" in shown) is not quiet
    finally:
        set_quiet(False)
        os.close(ours)


def test_bars_inside_bars_are_shown_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    try:
        with os.fdopen(theirs, "w") as terminal:
            monkeypatch.setattr("sys.stderr", terminal)
            with show_steps("training") as show:
                with show_download("Wav2CLIP.pt", 50_000_000):
                    os.read(ours, 65536)
                    show("epoch 3/40", 30, 400)
                    time.sleep(0.3)  # bars are drawn ten times a second
                    assert b"epoch" not in os.read(ours, 65536)
                time.sleep(0.3)
                assert b"epoch 3/40" in os.read(ours, 65536)
    finally:
        os.close(ours)
