"""Probe of untrusted files in a child process, since a file may be crafted to crash its reader."""

import asyncio
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from avadclip.apps.service.jobs.child import Child, ChildCrashedError, ChildTimeoutError
from avadclip.errors import MediaError
from avadclip.media.probe import MediaInfo, probe

CHECK_SECONDS = 30.0
MEMORY_BYTES = 3 * 1024**3  # of address space; a picture of the largest size needs a tenth


class ContentCheck:
    """A child process that probes files, replaced when it dies."""

    def __init__(self) -> None:
        self._child = Child(_answer)
        self._turn = asyncio.Lock()

    async def probe(self, path: Path) -> MediaInfo:
        """Probe a file.

        Raises:
            MediaError: not a video, or one that crashes or blocks its reader.
        """
        async with self._turn:
            answer = await asyncio.to_thread(self._ask, path)
        if isinstance(answer, MediaInfo):
            return answer
        raise MediaError(answer)

    def close(self) -> None:
        """End the child process."""
        self._child.kill()

    def _ask(self, path: Path) -> MediaInfo | str:
        try:
            self._child.send(path)
            answer: MediaInfo | str = self._child.receive(deadline=time.monotonic() + CHECK_SECONDS)
        except (ChildCrashedError, ChildTimeoutError):
            self._child.kill()
            self._child = Child(_answer)
            return f"{path} crashed or blocked its reader; convert it to mp4 first"
        return answer


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
