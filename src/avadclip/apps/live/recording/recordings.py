"""Recordings of events: their start, end, files and deletion."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from avadclip.apps.live.camera_child import BeginRecording, Command, EndRecording
from avadclip.apps.live.config import RecordingConfig
from avadclip.apps.live.live_snippet import ClockStep
from avadclip.apps.live.messages import EventMessage

DAY_SECONDS = 86400.0
MAX_CLOCK_STEP_SECONDS = 3600.0  # what a time server corrects is less, a wrong date more
REPORT_DELAY_SECONDS = 5.0  # buffered beyond `pre_seconds`, since an event is reported some seconds after it began

log = logging.getLogger(__name__)


class Recordings:
    """Converter of event messages to recording commands for the camera's process."""

    def __init__(self, config: RecordingConfig) -> None:
        self._config = config
        self._clock_step = ClockStep()
        self._is_clock_right = True

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
        """Delete expired recordings, and the oldest ones beyond the size limit.

        None counts as expired while the clock is not where it was at the start: a wrong date would delete all.
        """
        self._check_clock()
        days = self._config.retention_days
        begin = time.time() - days * DAY_SECONDS if days and self._is_clock_right else 0.0
        total = 0.0
        for path, status in sorted(self._files(), key=lambda file: file[1].st_mtime, reverse=True):
            total += status.st_size
            if total > self._config.max_gigabytes * 1e9 or status.st_mtime < begin:
                with suppress(OSError):
                    path.unlink()

    def _check_clock(self) -> None:
        was_right, self._is_clock_right = self._is_clock_right, abs(self._clock_step.seconds) <= MAX_CLOCK_STEP_SECONDS
        if was_right and not self._is_clock_right:
            log.warning("the clock was set; no recording is deleted by its age until the next start")

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self._config.folder.glob("*.mkv"):
            with suppress(OSError):  # a recording that ends now is being renamed
                yield path, path.stat()
