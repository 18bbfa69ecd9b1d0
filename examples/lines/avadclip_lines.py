"""The sink `lines`: every message about a live event is a line of JSON at the end of a file."""

import os
import threading
from pathlib import Path

from avadclip import FrozenConfig, Sink, Waiting


class LinesSettings(FrozenConfig):
    """The table `[sinks.lines]`."""

    path: Path
    """The file; it is created if missing."""


class LinesSink(Sink):
    """Appends to a file; where that fails, for a full disk, say, the message is tried again later."""

    settings = LinesSettings

    def __init__(self, settings: LinesSettings) -> None:
        self._path = settings.path

    def deliver(self, message: Waiting, stopping: threading.Event) -> bool:
        """Write one line, and return once it is on disk."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(message.body + "\n")
            file.flush()
            os.fsync(file.fileno())
        return True
