"""Child processes for untrusted videos: a crash or hang affects only the child."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Concatenate, ParamSpec

POLL_SECONDS = 0.2  # how often a waiting parent checks the deadline and `should_stop`

P = ParamSpec("P")


class ChildCrashedError(Exception):
    """The process died."""


class ChildTimeoutError(Exception):
    """The process took too long and was killed."""


class ChildStartError(Exception):
    """No process could be started: out of memory, processes or open files."""


class Child:
    """A child process and its connection, from the parent's side.

    Raises:
        ChildStartError: see there.
    """

    def __init__(
        self, target: Callable[Concatenate["Connection[Any, Any]", P], None], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        try:
            self._connection, theirs = multiprocessing.Pipe()
            with theirs:
                # Not forked: a fork of a process with threads may hang.
                self._process = multiprocessing.get_context("spawn").Process(
                    target=_begin, args=(target, theirs, args, kwargs), daemon=True
                )
                self._process.start()
        except OSError as error:
            raise ChildStartError(error.strerror) from error

    def send(self, message: object) -> None:
        """Send a picklable message; ChildCrashedError if the process is gone."""
        try:
            self._connection.send(message)
        except OSError as error:
            raise ChildCrashedError from error

    def receive(self, *, deadline: float | None = None, should_stop: Callable[[], bool] = lambda: False) -> Any:
        """Wait for a message; None if `should_stop` returned True first.

        Args:
            deadline: time.monotonic() after which the process is killed.
            should_stop: called before every message, and a few times per second.

        Raises:
            ChildCrashedError: the process died.
            ChildTimeoutError: the deadline passed.
        """
        try:
            while not should_stop():  # checked even if messages follow without a pause
                if deadline is not None and time.monotonic() > deadline:
                    self.kill()
                    raise ChildTimeoutError
                if self._connection.poll(POLL_SECONDS):
                    return self._connection.recv()
            return None
        except (EOFError, OSError) as error:
            raise ChildCrashedError from error

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.join()


def _begin(
    target: Callable[..., None], connection: "Connection[Any, Any]", args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C reaches the whole group; the parent decides when to stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent has gone
        target(connection, *args, **kwargs)


def _end_with_parent() -> None:
    """End with the parent: after a kill, the next service starts the same work again."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
