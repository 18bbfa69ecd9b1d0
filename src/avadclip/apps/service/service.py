"""The service: its parts, created in order of dependency; one service per data folder."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from avadclip.apps.service.jobs.intake import Intake
from avadclip.apps.service.jobs.janitor import Janitor
from avadclip.apps.service.jobs.media_folder import MediaFolder
from avadclip.apps.service.jobs.progress import ProgressHub
from avadclip.apps.service.jobs.queue import JobRunner
from avadclip.apps.service.links import LinkSigner
from avadclip.apps.service.metrics import Metrics, Reading
from avadclip.apps.service.settings import ServiceSettings
from avadclip.apps.service.store.store import Store

if TYPE_CHECKING:
    from avadclip.inference.detector import Detector
import os
from pathlib import Path

from avadclip.errors import ConfigError


class Service:
    """State and parts of one service, used by the routes."""

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        model: str,
        load: Callable[[], "Detector"],
        on_fatal: Callable[[], None],
    ) -> None:
        """Open store and folders.

        Args:
            settings: the operator's settings.
            model: name of the model, for display.
            load: loads the detector; called in a child process, so it must pickle.
            on_fatal: called, from any thread, if jobs cannot run any more; `runner.problem` has the reason.

        Raises:
            ConfigError: the folder is in use by another service, or the database cannot be opened.
        """
        self.settings, self.model = settings, model
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = FolderLock(settings.data)
        self.store = Store(settings.store_url)
        self.media = MediaFolder(settings, kept_bytes=self.store.kept_bytes())
        self.hub = ProgressHub()
        self.links = LinkSigner()
        self.metrics = Metrics(self._read)
        self.runner = JobRunner(
            self.store,
            self.media,
            self.hub,
            load=load,
            timeout_seconds=settings.max_video_seconds,
            on_fatal=on_fatal,
        )
        self.janitor = Janitor(settings, self.store, self.media, self.runner, self.hub)
        self.intake = Intake(settings, self.store, self.media, self.runner, self.hub)

    def start(self) -> None:
        """Clean up and start the jobs; call it inside the event loop that serves clients."""
        self.hub.attach(asyncio.get_running_loop())
        self.janitor.start()
        self.runner.start()

    def stop(self) -> None:
        """Return the running job to the queue, and close everything."""
        self.runner.stop()
        self.janitor.stop()
        self.intake.close()
        self.store.close()
        self._lock.release()

    def why_not_ready(self) -> str | None:
        """None if jobs can be accepted and run, else the reason."""
        if not self.runner.is_ready:
            return "the model is not loaded"
        try:
            self.store.ping()
        except SQLAlchemyError:
            return "the database is unreachable"
        return None

    def _read(self) -> Reading:
        return Reading(
            self.store.count_by_state(),
            self.media.kept_bytes,
            self.runner.is_ready,
            self.runner.num_worker_crashes,
        )


class FolderLock:
    """Lock of a data folder, released with the process at the latest."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._descriptor)
        except OSError as error:
            os.close(self._descriptor)
            raise ConfigError(
                f"{folder} is in use by another `avadclip serve`; stop it, or give this one another --data"
            ) from error

    def release(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
