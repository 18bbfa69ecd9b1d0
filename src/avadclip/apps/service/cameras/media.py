"""Pictures and recordings of cameras, as the service may show them."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from avadclip.apps.service.jobs.child import Child, ChildCrashedError, ChildStartError, ChildTimeoutError
from avadclip.apps.service.jobs.media_folder import is_file
from avadclip.apps.service.schemas import StoredLiveEvent
from avadclip.apps.service.settings import ServiceSettings
from avadclip.apps.service.store.store import Store
from avadclip.errors import AvadclipError
from avadclip.files import make_private
from avadclip.media.mp4_copy import write_quick_copy

COPY_SECONDS = 60.0  # for copying one recording
MAX_COPIES_BYTES = 2 * 10**9
MAX_COPY_AGE_SECONDS = 86400.0  # a copy must not outlive its recording for long


class Playable(NamedTuple):
    """A recording as it can be served."""

    path: Path
    media_type: str | None
    """None: browsers cannot play it; it is only for saving."""


class CameraMedia:
    """Finder of files about cameras. Every path, links resolved, ends in the data folder or an allowed one."""

    def __init__(self, settings: ServiceSettings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._copies = settings.cameras / "copies"
        self._copying = threading.Lock()

    def picture(self, camera: str) -> bytes | None:
        """The last picture of a camera, JPEG; None where there is none."""
        return self._read(self._allowed(self._settings.cameras / f"{camera}.jpg"))

    def event_picture(self, event_id: str) -> bytes | None:
        """The picture of an event, its highest-scored moment so far, JPEG; None where there is none."""
        event = self._store.live_event(event_id)
        return None if event is None else self._read(self._picture_of(event))

    def recording(self, event_id: str) -> Playable | None:
        """The recording of an event, copied to mp4 on the first call where that lets browsers play it."""
        event = self._store.live_event(event_id)
        path = None if event is None else self._recording_of(event, self._recordings())
        if path is None:
            return None
        copy = self._copies / f"{path.stem}.mp4"
        with self._copying:
            if not is_file(copy):
                self._copy(path, copy)
            return Playable(copy, "video/mp4") if is_file(copy) else Playable(path, None)

    def with_media(self, events: Sequence[StoredLiveEvent]) -> list[StoredLiveEvent]:
        """The events, with what can be shown of them."""
        folders = self._recordings()
        return [
            event.model_copy(
                update={
                    "has_picture": self._picture_of(event) is not None,
                    "has_recording": self._recording_of(event, folders) is not None,
                }
            )
            for event in events
        ]

    def forget(self, cameras: Sequence[str]) -> None:
        """Delete the pictures of these cameras, and copies of recordings beyond their time and size."""
        for camera in cameras:
            (self._settings.cameras / f"{camera}.jpg").unlink(missing_ok=True)
        with self._copying:
            self._make_room()

    def _recordings(self) -> dict[str, str | None]:
        return {status.name: status.recordings for status in self._store.camera_store.all()}

    def _recording_of(self, event: StoredLiveEvent, folders: dict[str, str | None]) -> Path | None:
        folder = folders.get(event.source)
        return None if folder is None else self._allowed(Path(folder) / f"{event.id}.mkv")

    def _picture_of(self, event: StoredLiveEvent) -> Path | None:
        path = None if event.picture is None else self._allowed(Path(event.picture))
        return path if path is not None and path.suffix == ".jpg" else None

    @staticmethod
    def _read(path: Path | None) -> bytes | None:
        """The file, whole: the watch replaces it at any time."""
        with suppress(OSError):  # it was deleted
            return None if path is None else path.read_bytes()
        return None

    def _allowed(self, path: Path) -> Path | None:
        """The file, links resolved; None where there is none, or it lies elsewhere."""
        with suppress(OSError, ValueError, RuntimeError):  # NUL, a loop of links
            found = path.resolve()
            if any(found.is_relative_to(folder) for folder in self._folders()) and is_file(found):
                return found
        return None

    def _folders(self) -> tuple[Path, ...]:
        return (self._settings.data.resolve(), *self._settings.folders)

    def _copy(self, recording: Path, copy: Path) -> None:
        make_private(self._copies)
        self._make_room()
        with suppress(ChildStartError, ChildCrashedError, ChildTimeoutError):  # the recording itself is served then
            child = Child(_write_copy, recording, copy)
            try:
                child.receive(deadline=time.monotonic() + COPY_SECONDS)
            finally:
                child.kill()

    def _make_room(self) -> None:
        total, oldest = 0, time.time() - MAX_COPY_AGE_SECONDS
        files = [(path, path.stat()) for path in self._copies.glob("*") if path.is_file()]
        for path, status in sorted(files, key=lambda file: file[1].st_mtime, reverse=True):
            total += status.st_size
            if total > MAX_COPIES_BYTES or status.st_mtime < oldest:
                path.unlink(missing_ok=True)


def _write_copy(connection: "Connection[Any, Any]", recording: Path, copy: Path) -> None:
    """Copy in a child process; one that fails leaves no file."""
    with suppress(AvadclipError, OSError):
        write_quick_copy(recording, copy)
    connection.send("done")
