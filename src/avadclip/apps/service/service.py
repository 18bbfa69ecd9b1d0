"""The service: its parts, created in order of dependency; one service per data folder."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from avadclip.apps.service.audit_log import AuditLog
from avadclip.apps.service.cameras.media import CameraMedia
from avadclip.apps.service.jobs.intake import Intake
from avadclip.apps.service.jobs.janitor import Janitor
from avadclip.apps.service.jobs.media_folder import MediaFolder, is_file
from avadclip.apps.service.jobs.progress import ProgressHub
from avadclip.apps.service.jobs.queue import JobRunner
from avadclip.apps.service.jobs.reserve import Reserve
from avadclip.apps.service.links import LinkSigner
from avadclip.apps.service.metrics import Metrics, Reading
from avadclip.apps.service.ownership import lock_folders, open_own_store
from avadclip.apps.service.schemas import Job
from avadclip.apps.service.settings import ServiceSettings
from avadclip.apps.service.store.verdicts import VerdictStore

if TYPE_CHECKING:
    from avadclip.inference.detector import Detector


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
            ConfigError: folder or database is in use by another service, they do not belong together, or the database
                cannot be opened.
        """
        self.settings, self.model = settings, model
        reserve = Reserve(settings.data / "reserve")
        with ExitStack() as cleanup:
            lock_folders(settings, cleanup)
            reserve.release()  # opening the database takes room, too
            self.store = open_own_store(settings, cleanup)
            self._cleanup = cleanup.pop_all()
        reserve.fill()
        self.verdicts = VerdictStore(self.store.database)
        self.audit = AuditLog(self.store)
        self.media = MediaFolder(settings, kept_bytes=self.store.kept_bytes())
        self.camera_media = CameraMedia(settings, self.store)
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
        self.janitor = Janitor(
            settings,
            self.store,
            self.media,
            self.runner,
            self.hub,
            camera_media=self.camera_media,
            reserve=reserve,
        )
        self.intake = Intake(settings, self.store, self.media, self.runner, self.hub)

    def start(self) -> None:
        """Clean up and start the jobs; call it inside the event loop that serves clients."""
        self.hub.attach(asyncio.get_running_loop())
        self.audit.start()
        self.janitor.start()
        self.runner.start()

    def stop(self) -> None:
        """Return the running job to the queue, and close everything."""
        self.runner.stop()
        self.janitor.stop()
        self.intake.close()
        self.audit.stop()
        self._cleanup.close()

    def pictures_of(self, jobs: Sequence[Job]) -> dict[str, str]:
        """Addresses of the pictures of the highest-scored events, by job; without the prefix of a proxy."""
        found = {}
        for job_id, event_id in self.store.best_events([job.id for job in jobs]).items():
            name = f"pictures/{event_id.rpartition('-')[2]}.jpg"  # by the number of the event
            if is_file(self.media.result_folder(job_id) / name):
                found[job_id] = f"/results/{self.links.key(job_id)[0]}/{name}"
        return found

    def why_not_ready(self) -> str | None:
        """None if jobs can be accepted and run, else the reason."""
        if not self.runner.is_ready:
            return "the model is not loaded"
        is_reached = True
        try:
            self.store.database.ping()
        except SQLAlchemyError:
            is_reached = False
        if self.store.database.damage is not None:
            return "the database is damaged; restore it from a backup"
        return None if is_reached else "the database is unreachable"

    def _read(self) -> Reading:
        return Reading(
            self.store.count_by_state(),
            self.media.kept_bytes,
            self.runner.is_ready,
            self.runner.num_worker_crashes,
        )
