"""Deletion of jobs on request and after their retention, and of files left by a killed service."""

import logging
import threading
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from avadclip.apps.retention import RetentionClock
from avadclip.apps.service.cameras.media import CameraMedia
from avadclip.apps.service.jobs.media_folder import MediaFolder, ids_of_files
from avadclip.apps.service.jobs.progress import ProgressHub
from avadclip.apps.service.jobs.queue import JobRunner
from avadclip.apps.service.jobs.reserve import Reserve
from avadclip.apps.service.schemas import Job
from avadclip.apps.service.settings import ServiceSettings
from avadclip.apps.service.store.database import reason_of
from avadclip.apps.service.store.store import Store

ROUND_SECONDS = 600.0
DAY_SECONDS = 86400.0
AUDIT_DAYS = 365.0

log = logging.getLogger(__name__)


class Janitor:
    """Deleter of jobs with their files. An interrupted deletion is completed later."""

    def __init__(
        self,
        settings: ServiceSettings,
        store: Store,
        media: MediaFolder,
        runner: JobRunner,
        hub: ProgressHub,
        *,
        camera_media: CameraMedia,
        reserve: Reserve,
    ) -> None:
        self._settings, self._store, self._media, self._runner, self._hub = settings, store, media, runner, hub
        self._camera_media, self._reserve = camera_media, reserve
        self._clock = RetentionClock(store.identity().seen_until)
        self._deleting = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="janitor")

    def start(self) -> None:
        """Delete what is unfinished, and start the periodic cleanup; call it before the runner starts."""
        self._complete_deletions()
        known = self._store.ids()
        for stray in self._media.sweep(known):
            log.warning("unfinished file deleted", extra={"file": stray.name})
        unknown = ids_of_files(self._settings) - known
        if unknown:
            log.warning("files of jobs that the store does not know are left alone", extra={"jobs": len(unknown)})
        self._thread.start()

    def stop(self) -> None:
        """Stop the periodic cleanup."""
        self._stopping.set()
        self._thread.join()
        with suppress(SQLAlchemyError):  # a database that is away costs the time since the last round
            self._note_time()

    def delete(self, job_id: str) -> bool:
        """Delete a job in any state with its video, result and events; False for an unknown job."""
        with self._deleting:
            job = self._reserve.use(lambda: self._store.begin_deletion(job_id))
            if job is None:
                return False
            self._runner.abandon(job_id)
            self._remove(job)
        self._hub.publish(job)
        log.info("job deleted", extra={"job": job_id})
        return True

    def _complete_deletions(self) -> None:
        with self._deleting:
            for job in self._store.half_deleted():
                self._remove(job)

    def _remove(self, job: Job) -> None:
        self._media.remove(job)
        self._reserve.use(lambda: self._store.end_deletion(job.id))
        self._reserve.fill()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.make_a_round()
            except SQLAlchemyError as error:
                log.error("cleanup failed (%s); it will be retried", reason_of(error))
            except Exception:
                log.exception("cleanup failed; it will be retried")
            self._stopping.wait(ROUND_SECONDS)

    def make_a_round(self) -> None:
        """Complete deletions; delete the jobs, camera events and audit entries whose retention is over."""
        self._complete_deletions()
        now = self._note_time()
        gone: list[str] = []
        if self._settings.retention_days is not None:
            oldest = now - self._settings.retention_days * DAY_SECONDS
            for job_id in self._store.ended_before(oldest):
                self.delete(job_id)
            self._reserve.use(lambda: self._store.forget_live_events(oldest))
            gone = self._reserve.use(lambda: self._store.camera_store.forget(oldest))
        self._camera_media.forget(gone)
        self._reserve.use(lambda: self._store.forget_audit(now - AUDIT_DAYS * DAY_SECONDS))
        self._reserve.fill()

    def _note_time(self) -> float:
        """The time that retention goes by, which the next service goes on from."""
        now = self._clock.now()
        self._reserve.use(lambda: self._store.note_time(self._clock.seen_until))
        return now
