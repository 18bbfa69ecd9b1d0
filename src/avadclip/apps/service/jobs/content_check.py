"""Probe of untrusted files in a child process, since a file may be crafted to crash its reader."""

import asyncio
import time
from http import HTTPStatus
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from avadclip.apps.service.jobs.child import Child, ChildCrashedError, ChildStartError, ChildTimeoutError
from avadclip.apps.service.problems import RefusedError
from avadclip.errors import MediaError
from avadclip.media.probe import MediaInfo, probe

CHECK_SECONDS = 30.0
NUM_ATTEMPTS = 2  # the process may have died before, of something else
MEMORY_BYTES = 3 * 1024**3  # of address space; a picture of the largest size needs a tenth


class ContentCheck:
    """A child process that probes files, replaced when it dies."""

    def __init__(self) -> None:
        self._child: Child | None = Child(_answer)
        self._turn = asyncio.Lock()

    async def probe(self, path: Path) -> MediaInfo:
        """Probe a file.

        Raises:
            MediaError: not a video, or one that crashes or blocks its reader.
            RefusedError: 503 if no process can be started.
        """
        async with self._turn:
            answer = await asyncio.to_thread(self._ask, path)
        if isinstance(answer, MediaInfo):
            return answer
        raise MediaError(answer)

    def close(self) -> None:
        """End the child process."""
        if self._child is not None:
            self._child.kill()

    def _ask(self, path: Path) -> MediaInfo | str:
        for _ in range(NUM_ATTEMPTS):
            try:
                child = self._child = self._child or Child(_answer)
            except ChildStartError as error:
                raise RefusedError(
                    HTTPStatus.SERVICE_UNAVAILABLE, f"no process can be started to check the video ({error}); try again"
                ) from error
            try:
                child.send(path)
                answer: MediaInfo | str = child.receive(deadline=time.monotonic() + CHECK_SECONDS)
            except (ChildCrashedError, ChildTimeoutError) as error:
                child.kill()
                self._child = None
                if isinstance(error, ChildTimeoutError):
                    break
            else:
                return answer
        return f"{path} crashed or blocked its reader; convert it to mp4 first"


def _answer(connection: "Connection[Any, Any]") -> None:
    _limit_memory()
    while True:
        path = connection.recv()
        try:
            connection.send(probe(path))
        except MediaError as error:
            connection.send(str(error))


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
