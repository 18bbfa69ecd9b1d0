"""Deleting: on request, when a job's time is over, and what a killed service left behind."""

import logging
import threading
import time

from avadclip.apps.service.jobs.media_folder import MediaFolder
from avadclip.apps.service.jobs.progress import ProgressHub
from avadclip.apps.service.jobs.queue import JobRunner
from avadclip.apps.service.schemas import Job
from avadclip.apps.service.settings import ServiceSettings
from avadclip.apps.service.store.store import Store

ROUND_SECONDS = 600.0
DAY_SECONDS = 86400.0
AUDIT_DAYS = 365.0

log = logging.getLogger(__name__)


class Janitor:
    """Deletes jobs with all that belongs to them. What has begun is finished, at the latest by the next start."""

    def __init__(
        self, settings: ServiceSettings, store: Store, media: MediaFolder, runner: JobRunner, hub: ProgressHub
    ) -> None:
        self._settings, self._store, self._media, self._runner, self._hub = settings, store, media, runner, hub
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="janitor")

    def start(self) -> None:
        """Finish what was begun, delete strays, and begin the rounds. Before the runner starts."""
        for job in self._store.half_deleted():
            self._remove(job)
        for stray in self._media.sweep(self._store.ids()):
            log.warning("stray file deleted", extra={"file": stray.name})
        self._thread.start()

    def stop(self) -> None:
        """End the rounds."""
        self._stopping.set()
        self._thread.join()

    def delete(self, job_id: str) -> bool:
        """Delete a job in any state; when this returns, its video, result and events are gone. False: unknown job."""
        job = self._store.begin_deletion(job_id)
        if job is None:
            return False
        self._runner.abandon(job_id)
        self._remove(job)
        self._hub.publish(job)
        log.info("job deleted", extra={"job": job_id})
        return True

    def _remove(self, job: Job) -> None:
        self._media.remove(job)
        self._store.end_deletion(job.id)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.make_a_round()
            except Exception:
                log.exception("a round failed; the next one tries again")
            self._stopping.wait(ROUND_SECONDS)

    def make_a_round(self) -> None:
        """Delete the jobs, events of cameras and audit entries whose time is over."""
        now = time.time()
        if self._settings.retention_days is not None:
            oldest = now - self._settings.retention_days * DAY_SECONDS
            for job_id in self._store.ended_before(oldest):
                self.delete(job_id)
            self._store.forget_live_events(oldest)
        self._store.forget_audit(now - AUDIT_DAYS * DAY_SECONDS)
