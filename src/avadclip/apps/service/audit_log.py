"""The audit log's writer: requests do not wait for the database, nor fail with it."""

import logging
import queue
import threading

from sqlalchemy.exc import SQLAlchemyError

from avadclip.apps.service.schemas import AuditEntry
from avadclip.apps.service.store.database import reason_of
from avadclip.apps.service.store.store import Store

MAX_WAITING = 10_000  # entries in memory while the database does not take them
MAX_BATCH = 500
RETRY_SECONDS = 5.0
SETTLE_SECONDS = 2.0

log = logging.getLogger(__name__)


class AuditLog:
    """A thread that stores entries in their order, many at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: queue.Queue[AuditEntry] = queue.Queue(MAX_WAITING)
        self._is_failing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Store what waits, unless the database does not take it, and end the thread."""
        if not self._is_failing:
            self.settle()
        self._stopping.set()
        self._thread.join()

    def add(self, entry: AuditEntry) -> None:
        """Take an entry from any thread, without waiting; the log has it if too many wait already."""
        try:
            self._queue.put_nowait(entry)
        except queue.Full:
            log.error("audit entry not stored", extra={"entry": entry.model_dump()})

    def settle(self) -> None:
        """Wait until the entries so far are stored, for two seconds at most."""
        with self._queue.all_tasks_done:
            self._queue.all_tasks_done.wait_for(lambda: not self._queue.unfinished_tasks, SETTLE_SECONDS)

    def _run(self) -> None:
        waiting: list[AuditEntry] = []
        while not self._stopping.is_set():
            waiting += self._take(MAX_BATCH - len(waiting))
            try:
                if waiting:
                    self._store.add_audit(waiting)
            except SQLAlchemyError as error:
                self._is_failing = True
                log.error("the audit log cannot be written (%s); entries wait", reason_of(error))
                self._stopping.wait(RETRY_SECONDS)
            else:
                self._is_failing = False
                for _ in waiting:
                    self._queue.task_done()
                waiting = []

    def _take(self, num_entries: int) -> list[AuditEntry]:
        taken: list[AuditEntry] = []
        try:
            while len(taken) < num_entries:
                taken.append(self._queue.get(timeout=0 if taken else 0.2))
        except queue.Empty:
            pass
        return taken
