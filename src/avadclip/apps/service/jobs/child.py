"""Child processes for what touches strangers' videos: what crashes or hangs in them ends them and nothing else."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Concatenate, ParamSpec

POLL_SECONDS = 0.2  # how often a waiting parent looks at the clock, and whether it should stop

P = ParamSpec("P")


class ChildCrashedError(Exception):
    """The process died."""


class ChildTimeoutError(Exception):
    """The process took too long and was killed."""


class Child:
    """One process and the connection to it, from the parent's side."""

    def __init__(
        self, target: Callable[Concatenate["Connection[Any, Any]", P], None], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        self._connection, theirs = multiprocessing.Pipe()
        # Not forked: a fork of a process with threads may hang.
        self._process = multiprocessing.get_context("spawn").Process(
            target=_begin, args=(target, theirs, args, kwargs), daemon=True
        )
        self._process.start()
        theirs.close()

    def send(self, message: object) -> None:
        """Send something that pickles; ChildCrashedError where nobody is there."""
        try:
            self._connection.send(message)
        except OSError as error:
            raise ChildCrashedError from error

    def receive(self, *, deadline: float | None = None, should_stop: Callable[[], bool] = lambda: False) -> Any:
        """Wait for a message; None where `should_stop` came first.

        Args:
            deadline: time.monotonic() after which the process is killed.
            should_stop: asked before every message, and a few times a second.

        Raises:
            ChildCrashedError: the process died.
            ChildTimeoutError: the deadline passed.
        """
        try:
            while not should_stop():  # asked also where one message follows the other
                if deadline is not None and time.monotonic() > deadline:
                    self.kill()
                    raise ChildTimeoutError
                if self._connection.poll(POLL_SECONDS):
                    return self._connection.recv()
            return None
        except (EOFError, OSError) as error:
            raise ChildCrashedError from error

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()


def _begin(
    target: Callable[..., None], connection: "Connection[Any, Any]", args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C reaches the whole group; the parent says when to stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent has gone
        target(connection, *args, **kwargs)


def _end_with_parent() -> None:
    """Never outlive a service that was killed: the next one takes up the same work."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
