"""Cameras of a watch into the service's store: state, last picture, score curve and named sounds."""

import logging
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from avadclip.apps.live.messages import CameraState, CameraStats, Message, ScoreMessage, StatusMessage
from avadclip.apps.live.watched_camera import LastPicture
from avadclip.apps.service.cameras.schemas import CameraScore, CameraStatus
from avadclip.apps.service.store.camera_store import CURVE_SECONDS
from avadclip.apps.service.store.database import reason_of
from avadclip.apps.service.store.store import Store
from avadclip.errors import ConfigError
from avadclip.events import NamedSound
from avadclip.files import make_private, write_atomically

WRITE_SECONDS = 5.0  # between two writings, and the length of a point of the score curve
SOUND_SECONDS = 300.0  # how long a named sound is shown
MAX_SOUNDS = 12  # of a camera
MAX_POINTS = round(CURVE_SECONDS / WRITE_SECONDS)  # that wait for a database that is away
WARN_SECONDS = 60.0  # at most one line about failures so often

log = logging.getLogger(__name__)


class ReportedWatch(Protocol):
    """What the reporter asks a watch, from its own thread."""

    def camera_stats(self) -> dict[str, CameraStats]:
        """Current counts of the cameras."""
        ...

    def pictures(self) -> dict[str, LastPicture]:
        """The last picture of each camera that has shown one."""
        ...


class _Known:
    """What is known of one camera."""

    def __init__(self) -> None:
        self.state: CameraState | None = None
        self.reason = ""
        self.network: str | None = None
        self.picture_at: float | None = None
        self.points: dict[float, float] = {}  # not written yet, or not over yet
        self.sounds: dict[str, NamedSound] = {}

    def take(self, score: ScoreMessage) -> None:
        """A snippet's score and sounds."""
        start = score.start - score.start % WRITE_SECONDS
        self.points[start] = max(score.score, self.points.get(start, 0.0))
        while len(self.points) > MAX_POINTS:
            del self.points[min(self.points)]
        self.network = score.network
        newest = {sound.name: sound for sound in score.sounds}
        recent = {
            name: s for name, s in self.sounds.items() if s.end > score.end - SOUND_SECONDS and name not in newest
        }
        ordered = sorted((newest | recent).values(), key=lambda sound: (-sound.end, -sound.probability))
        self.sounds = {sound.name: sound for sound in ordered[:MAX_SOUNDS]}


class CameraReporter(threading.Thread):
    """Thread that writes the cameras every WRITE_SECONDS. What cannot be written is left for the next time.

    Args:
        url: the store, as `Store` takes it.
        pictures: folder of the pictures, `<camera>.jpg`; None: they are not written.
        recordings: the watch's folder of recordings; None without.
    """

    def __init__(self, url: str, *, pictures: Path | None, recordings: Path | None) -> None:
        super().__init__(name="camera reporter", daemon=True)
        self._url = url
        self._pictures = pictures
        self._recordings = None if recordings is None else str(recordings.resolve())
        self._store: Store | None = None
        self._watch: ReportedWatch | None = None
        self._known: defaultdict[str, _Known] = defaultdict(_Known)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._next_warning = float("-inf")

    def follow(self, watch: ReportedWatch) -> None:
        """Start writing about this watch."""
        self._watch = watch
        self.start()

    def take(self, message: Message) -> None:
        """Note one message of the watch; returns at once."""
        with self._lock:
            if isinstance(message, ScoreMessage):
                self._known[message.camera].take(message)
            elif isinstance(message, StatusMessage):
                known = self._known[message.camera]
                known.state, known.reason, known.network = message.state, message.reason, message.network

    def finish(self) -> None:
        """Write a last time, that the watch has ended, and end the thread."""
        self._stopping.set()
        if self.is_alive():
            self.join()
        if self._store is not None:
            self._store.close()

    def run(self) -> None:
        """Write until finished; nothing else ends the thread."""
        while not self._stopping.wait(WRITE_SECONDS):
            self._try_to_write()
        self._try_to_write()

    def _try_to_write(self) -> None:
        try:
            self._write()
        except (ConfigError, SQLAlchemyError, OSError) as error:
            if time.monotonic() >= self._next_warning:
                self._next_warning = time.monotonic() + WARN_SECONDS
                log.warning("the cameras' state cannot be written for the service (%s)", reason_of(error))

    def _write(self) -> None:
        assert self._watch is not None
        self._write_pictures(self._watch.pictures())
        stats = self._watch.camera_stats()
        with self._lock:
            statuses = [self._status(name, known, stats[name].dropped_seconds) for name, known in self._known.items()]
            points = {name: dict(known.points) for name, known in self._known.items()}
        scores = {
            name: [CameraScore(start=at, score=score) for at, score in own.items()] for name, own in points.items()
        }
        self._store = self._store or Store(self._url)
        self._store.camera_store.keep(statuses, scores)
        with self._lock:
            for name, written in points.items():
                for at in sorted(written)[:-1]:  # the last one may still rise
                    self._known[name].points.pop(at, None)

    def _status(self, name: str, known: _Known, dropped_seconds: float) -> CameraStatus:
        is_stopped = self._stopping.is_set() and known.state != "finished"
        return CameraStatus(
            name=name,
            written_at=time.time(),
            state="stopped" if is_stopped else known.state or "connecting",
            reason="avadclip watch was stopped" if is_stopped else known.reason,
            network=known.network,
            dropped_seconds=dropped_seconds,
            picture_at=known.picture_at,
            recordings=self._recordings,
            sounds=tuple(known.sounds.values()),
        )

    def _write_pictures(self, taken: dict[str, LastPicture]) -> None:
        if self._pictures is None:
            return
        make_private(self._pictures)
        for name, picture in taken.items():
            known = self._known[name]
            if known.picture_at != picture.time:
                write_atomically(self._pictures / f"{name}.jpg", picture.jpeg)
                known.picture_at = picture.time
