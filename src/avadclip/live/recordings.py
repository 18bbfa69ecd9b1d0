"""Which events are recorded, where, and which recordings go when the folder is full."""

from contextlib import suppress

from avadclip.live.camera_child import BeginRecording, Command, EndRecording
from avadclip.live.config import RecordingConfig
from avadclip.live.messages import EventMessage

TELLING_SECONDS = 5.0  # held beyond `pre_seconds`: an event is told of some seconds after it began


class Recordings:
    """Turns event messages into commands for the camera's process."""

    def __init__(self, config: RecordingConfig) -> None:
        self._config = config

    def held_seconds(self, min_event_seconds: float) -> float:
        """How much a camera's process has to hold back for events that are told of once they are this long."""
        return self._config.pre_seconds + min_event_seconds + TELLING_SECONDS

    def command(self, message: EventMessage) -> Command | None:
        """What the camera is to do about this message."""
        path = self._config.folder / f"{message.after.id}.mkv"
        if message.type == "new":
            self._make_room()
            return BeginRecording(path, self._config.max_seconds)
        return EndRecording(path, self._config.post_seconds) if message.type == "end" else None

    def _make_room(self) -> None:
        """Delete the oldest recordings beyond the limit."""
        files = sorted(self._config.folder.glob("*.mkv"), key=lambda path: path.stat().st_mtime, reverse=True)
        total = 0.0
        for path in files:
            total += path.stat().st_size
            if total > self._config.max_gigabytes * 1e9:
                with suppress(OSError):
                    path.unlink()
