"""Supervisor of one camera's process: starts it, follows it, kills it if it hangs, and restarts it."""

import math
import multiprocessing
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from avadclip.apps.live.camera import CameraOptions
from avadclip.apps.live.camera_child import Command, Ended, run_camera
from avadclip.apps.live.inbox import CameraFinished, Connecting, Inbox, Lost, News
from avadclip.apps.live.live_snippet import LiveSnippet

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 10.0  # doubled with every failure
POLL_SECONDS = 0.25  # how soon a stop is noticed
LEAVE_SECONDS = 2.0  # for a process to end by itself once its pipe is closed


class CameraProcess(threading.Thread):
    """Thread that follows one camera and puts its messages into the inbox.

    Args:
        name: of the camera.
        options: what to read.
        inbox: receives the messages.
        queue_seconds: length of video that may wait there.
        watchdog_seconds: the process is killed after this long without a snippet.
        buffer_seconds: see run_camera.
    """

    def __init__(
        self,
        name: str,
        options: CameraOptions,
        inbox: Inbox,
        *,
        queue_seconds: float,
        watchdog_seconds: float,
        buffer_seconds: float | None = None,
    ) -> None:
        super().__init__(name=f"camera {name}", daemon=True)
        self.num_starts = 0
        self.process_id: int | None = None
        self._camera = name
        self._options = options
        self._inbox = inbox
        self._max_snippets = math.ceil(queue_seconds / options.grid.snippet_seconds)
        self._watchdog_seconds = watchdog_seconds
        self._buffer_seconds = buffer_seconds
        self._stopping = threading.Event()
        self._pipe: Connection | None = None

    def run(self) -> None:
        """Connect and reconnect with back-off, until stopped or finished."""
        retry_seconds = FIRST_RETRY_SECONDS
        while not self._stopping.is_set():
            self._put(Connecting())
            ended, has_shown = self._connect()
            if ended.is_finished:
                self._put(CameraFinished(ended.reason))
                return
            if has_shown:
                retry_seconds = FIRST_RETRY_SECONDS
            self._put(Lost(ended.reason, retry_seconds))
            self._stopping.wait(retry_seconds)
            retry_seconds = min(2 * retry_seconds, LONGEST_RETRY_SECONDS)

    def stop(self) -> None:
        """Signal the thread to end; join it afterwards."""
        self._stopping.set()

    def command(self, command: Command) -> bool:
        """Send a command to the camera's process; False while disconnected."""
        pipe = self._pipe
        if pipe is not None:
            with suppress(OSError, ValueError):
                pipe.send(command)
                return True
        return False

    def _put(self, news: News) -> None:
        self._inbox.put(self._camera, news, max_snippets=self._max_snippets)

    def _connect(self) -> tuple[Ended, bool]:
        """Run one process to its end; see _follow."""
        try:
            process, pipe = self._start()
            try:
                return self._follow(process, pipe)
            finally:
                self._end(process, pipe)
        except Exception as error:  # no memory or file handle is left, say: there may be one at the next attempt
            return Ended(f"{type(error).__name__}: {error}", is_finished=False), False

    def _start(self) -> tuple[BaseProcess, Connection]:
        # A fresh interpreter: a fork would copy the model's threads and locks.
        context = multiprocessing.get_context("spawn")
        pipe, theirs = context.Pipe()
        process = context.Process(
            target=run_camera, args=(self._options, self._buffer_seconds, theirs), name=self.name, daemon=True
        )
        process.start()
        theirs.close()
        self.num_starts += 1
        self.process_id = process.pid
        self._pipe = pipe
        return process, pipe

    def _follow(self, process: BaseProcess, pipe: Connection) -> tuple[Ended, bool]:
        """Follow a connection to its end; return the reason, and whether there was any snippet."""
        has_shown = False
        deadline = time.monotonic() + self._watchdog_seconds
        while not self._stopping.is_set():
            try:
                if not pipe.poll(POLL_SECONDS):
                    if time.monotonic() > deadline:
                        return Ended(f"no frames for {self._watchdog_seconds:g} s", is_finished=False), has_shown
                    continue
                news = pipe.recv()
            except (EOFError, OSError):
                process.join(LEAVE_SECONDS)
                return Ended(f"reader process died (exit code {process.exitcode})", is_finished=False), has_shown
            if isinstance(news, Ended):
                return news, has_shown
            has_shown |= isinstance(news, LiveSnippet)
            deadline = time.monotonic() + self._watchdog_seconds
            self._put(news)
        return Ended("stopped", is_finished=False), has_shown

    def _end(self, process: BaseProcess, pipe: Connection) -> None:
        self._pipe = None
        pipe.close()
        process.join(LEAVE_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
