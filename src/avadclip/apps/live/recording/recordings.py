"""Recordings of events: their start, end, files and deletion; pictures of events are deleted with them."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from avadclip.apps.live.camera_child import BeginRecording, Command, EndRecording
from avadclip.apps.live.config import RecordingConfig
from avadclip.apps.live.messages import EventMessage
from avadclip.apps.retention import RetentionClock
from avadclip.files import make_private, write_atomically

DAY_SECONDS = 86400.0
FILES = ("*.mkv", "*.jpg")
TIME_NAME = ".seen-until"  # holds what the RetentionClock of the next start goes on from
REPORT_DELAY_SECONDS = 5.0  # buffered beyond `pre_seconds`, since an event is reported some seconds after it began


class Recordings:
    """Converter of event messages to recording commands for the camera's process."""

    def __init__(self, config: RecordingConfig) -> None:
        self._config = config
        with suppress(OSError):  # a disk that is read-only; an event will say so
            make_private(config.folder, *FILES)
        self._time_file = config.folder / TIME_NAME
        self._clock = RetentionClock(self._read_time())

    def buffer_seconds(self, min_event_seconds: float) -> float:
        """Length of the packet buffer for events that are reported once they are `min_event_seconds` long."""
        return self._config.pre_seconds + min_event_seconds + REPORT_DELAY_SECONDS

    def command(self, message: EventMessage) -> Command | None:
        """The recording command for a message, if any."""
        path = self._config.folder / f"{message.after.id}.mkv"
        if message.type == "new":
            self.make_room()
            return BeginRecording(path, self._config.max_seconds)
        return EndRecording(path, self._config.post_seconds) if message.type == "end" else None

    def make_room(self) -> None:
        """Delete expired recordings and pictures, and the oldest ones beyond the size limit."""
        days = self._config.retention_days
        begin = self._clock.now() - days * DAY_SECONDS if days else 0.0
        with suppress(OSError):  # a disk that is full or read-only costs the time since the last writing
            write_atomically(self._time_file, str(self._clock.seen_until))
        total = 0.0
        for path, status in sorted(self._files(), key=lambda file: file[1].st_mtime, reverse=True):
            total += status.st_size
            if total > self._config.max_gigabytes * 1e9 or status.st_mtime < begin:
                with suppress(OSError):
                    path.unlink()

    def _read_time(self) -> float:
        try:
            return float(self._time_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return time.time()

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in chain.from_iterable(map(self._config.folder.glob, FILES)):
            with suppress(OSError):  # a recording that ends now is being renamed
                yield path, path.stat()
