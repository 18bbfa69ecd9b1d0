"""Job queue: a thread that sends queued videos to the worker process, one at a time."""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from avadclip.apps.service.jobs.child import ChildCrashedError, ChildStartError, ChildTimeoutError
from avadclip.apps.service.jobs.media_folder import MediaFolder
from avadclip.apps.service.jobs.progress import ProgressHub
from avadclip.apps.service.jobs.worker import Abandoned, Found, Refused, ScoringProgress, ScoringWorker, Task
from avadclip.apps.service.schemas import Job
from avadclip.apps.service.store.database import reason_of
from avadclip.apps.service.store.store import Store
from avadclip.errors import AvadclipError, ConfigError

if TYPE_CHECKING:
    from avadclip.inference.detector import Detector

MAX_ATTEMPTS = 3  # a video that crashes the worker or the service this often fails
IDLE_SECONDS = 5.0  # polling interval, for jobs without a notification
ABANDON_SECONDS = 2.0  # how long scoring may continue after its job was deleted, before the worker is killed

log = logging.getLogger(__name__)


class JobRunner:
    """A worker process, started early, and the thread that feeds it."""

    def __init__(
        self,
        store: Store,
        media: MediaFolder,
        hub: ProgressHub,
        *,
        load: Callable[[], "Detector"],
        timeout_seconds: float,
        on_fatal: Callable[[], None],
    ) -> None:
        self._store, self._media, self._hub = store, media, hub
        self._load, self._timeout_seconds, self._on_fatal = load, timeout_seconds, on_fatal
        self._thread = threading.Thread(target=self._run, name="jobs")
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._idle = threading.Condition()
        self._current: Job | None = None
        self._worker: ScoringWorker | None = None
        self._waits_for_room = False
        self.is_ready = False
        """Whether the detector is loaded."""
        self._was_ready = False
        self.problem: str | None = None
        """Reason why jobs cannot run any more; the service should end."""
        self.num_worker_crashes = 0

    def start(self) -> None:
        """Load the detector and start the queued jobs."""
        self._thread.start()

    def stop(self) -> None:
        """Return the running job to the queue and end the worker."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    def wake(self) -> None:
        """Notify the thread of a new job."""
        self._wake.set()

    def abandon(self, job_id: str) -> None:
        """Return once the job is certainly not running; the caller has marked it as deleted."""

        def is_elsewhere() -> bool:
            return self._current is None or self._current.id != job_id

        with self._idle:
            if is_elsewhere():
                return
            if self._worker is not None:
                self._worker.abandon()
            if not self._idle.wait_for(is_elsewhere, ABANDON_SECONDS) and self._worker is not None:
                self._worker.kill()
                self._idle.wait_for(is_elsewhere)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._work_with_one_worker()
        except AvadclipError as error:
            self.problem = str(error)
        except Exception:
            log.exception("jobs stopped")
            self.problem = "jobs stopped after an internal error; see the log"
        if self.problem is not None:
            self._on_fatal()

    def _work_with_one_worker(self) -> None:
        """Run jobs until the service stops or the worker dies."""
        try:
            self._worker = ScoringWorker(self._load)
        except ChildStartError as error:
            log.warning("no worker process can be started (%s); the service tries again", error)
            self._stopping.wait(IDLE_SECONDS)
            return
        try:
            self.is_ready = self._worker.wait_until_ready(self._stopping.is_set)
            self._was_ready = True
            log.info("worker ready")
            while not self._stopping.is_set() and self._use(self._worker):
                pass
        except ChildCrashedError as error:
            if not self._was_ready:
                raise ConfigError(
                    "the worker process died while loading the model; check the available memory"
                ) from error
            log.warning("the worker process died while loading the model; the service tries again")
            self._stopping.wait(IDLE_SECONDS)
        finally:
            self.is_ready = False
            self._worker.kill()

    def _use(self, worker: ScoringWorker) -> bool:
        """Run jobs until the service stops, or database or disk fail; False if a new worker is needed."""
        try:
            self._take_up()
            while not self._stopping.is_set():
                if not self._do_next(worker):
                    return False
        except (SQLAlchemyError, OSError) as error:
            log.error("database or disk failed (%s); jobs resume when they are back", reason_of(error))
            self._stopping.wait(IDLE_SECONDS)
        return True

    def _take_up(self) -> None:
        """Return jobs to the queue that ran when the service was killed or the database failed."""
        for job in self._store.running():
            log.warning("job interrupted", extra={"job": job.id, "attempts": job.attempts})
            self._again(job, "the service was interrupted")

    def _do_next(self, worker: ScoringWorker) -> bool:
        """Run a job, or wait for one; False if a new worker is needed."""
        self._wake.clear()
        job = self._claim() if self._has_room() else None
        if job is None:
            self._wake.wait(IDLE_SECONDS)
            return True
        try:
            return self._do(worker, job)
        finally:
            with self._idle:
                self._current = None
                self._idle.notify_all()

    def _has_room(self) -> bool:
        """Whether results can be stored; jobs wait until then."""
        is_waiting, self._waits_for_room = self._waits_for_room, self._media.is_nearly_full()
        if self._waits_for_room and not is_waiting:
            log.warning("the disk is nearly full; jobs wait")
        return not self._waits_for_room

    def _claim(self) -> Job | None:
        with self._idle:  # `abandon` must not run between the claim and `_current`
            self._current = self._store.claim_next()
            return self._current

    def _do(self, worker: ScoringWorker, job: Job) -> bool:
        """Run one job; False if a new worker is needed."""
        self._hub.publish(job)
        log.info("job started", extra={"job": job.id, "attempts": job.attempts})
        try:
            task = Task(job.id, self._media.checked(job), job.name, self._media.result_folder(job.id))
            answer = worker.run(
                task,
                on_progress=lambda progress: self._hub.publish(job.model_copy(update={"progress": _share(progress)})),
                timeout_seconds=self._timeout_seconds,
                should_stop=self._stopping.is_set,
            )
        except ChildCrashedError:
            self.num_worker_crashes += 1
            log.warning("worker crashed", extra={"job": job.id, "attempts": job.attempts})
            self._again(job, "its decoder or network crashed")
            return False
        except ChildTimeoutError:
            self._fail(job, f"took longer than {self._timeout_seconds:g} s and was stopped; cut the video into parts")
            return False
        except AvadclipError as error:
            self._fail(job, str(error))
            return True
        if answer is None:
            self._store.release(job)
        elif isinstance(answer, Found):
            self._finish(job, answer)
        elif isinstance(answer, Refused):
            self._fail(job, answer.reason)
        elif isinstance(answer, Abandoned):
            log.info("job abandoned", extra={"job": job.id})
        return True

    def _finish(self, job: Job, found: Found) -> None:
        is_kept = self._store.finish(
            job,
            found.events,
            peak_score=found.peak_score,
            duration_seconds=found.duration_seconds,
            network=found.network,
        )
        if is_kept:
            log.info("job done", extra={"job": job.id, "num_events": len(found.events)})
        self._publish_kept(job)

    def _fail(self, job: Job, error: str) -> None:
        if self._store.fail(job, error):
            log.info("job failed", extra={"job": job.id, "error": error})
        self._publish_kept(job)

    def _again(self, job: Job, reason: str) -> None:
        if job.attempts >= MAX_ATTEMPTS:
            self._fail(job, f"failed {job.attempts} times because {reason}; check the file")
        else:
            self._store.retry(job)
            self._publish_kept(job)

    def _publish_kept(self, job: Job) -> None:
        kept = self._store.job(job.id)
        if kept is not None:
            self._hub.publish(kept)


def _share(progress: ScoringProgress) -> float:
    return min(1.0, progress.seconds_done / progress.seconds_total) if progress.seconds_total > 0 else 0.0
