"""The child process that keeps a detector warm and scores one video after the other.

A process and not a thread: decoders are large C libraries and the videos come from strangers, so what crashes or hangs
must be possible to kill; and decoding in Python would hold up the server's own thread.
"""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from avadclip.apps.service.jobs.child import Child, ChildCrashedError
from avadclip.apps.service.jobs.result_folder import write_result
from avadclip.apps.service.schemas import StoredEvent
from avadclip.encoders.downloads.notice import go_offline
from avadclip.errors import AvadclipError, ConfigError

if TYPE_CHECKING:
    from avadclip.events import Event
    from avadclip.inference.detector import Detector


class Task(NamedTuple):
    """One video to score."""

    job_id: str
    path: Path
    name: str
    """What the video is called in the result."""
    result_folder: Path


class ScoringProgress(NamedTuple):
    """Seconds of the video that are scored, and its length."""

    seconds_done: float
    seconds_total: float


class Found(NamedTuple):
    """What the result folder, which is complete, says in short."""

    events: tuple[StoredEvent, ...]
    peak_score: float
    duration_seconds: float
    network: str


class Refused(NamedTuple):
    """The video cannot be scored; one line says why."""

    reason: str


class Abandoned(NamedTuple):
    """The parent asked to leave it."""


class Ready(NamedTuple):
    """The detector is loaded."""


Answer = Found | Refused | Abandoned
Message = Answer | ScoringProgress | Ready


class ScoringWorker:
    """The parent's side. One task at a time; `abandon` and `kill` may come from other threads."""

    def __init__(self, load: Callable[[], "Detector"]) -> None:
        self._child = Child(_work, load)

    def wait_until_ready(self, should_stop: Callable[[], bool]) -> bool:
        """Wait for the detector; False where `should_stop` came first.

        Raises:
            ConfigError: the detector cannot be loaded.
            ChildCrashedError: the process died.
        """
        message: Message | None = self._child.receive(should_stop=should_stop)
        if isinstance(message, Refused):
            raise ConfigError(message.reason)
        return message is not None

    def run(
        self,
        task: Task,
        *,
        on_progress: Callable[[ScoringProgress], None],
        timeout_seconds: float,
        should_stop: Callable[[], bool],
    ) -> Message | None:
        """Score one video; None where `should_stop` came first.

        Raises:
            ChildCrashedError, ChildTimeoutError: a new worker is needed.
        """
        deadline = time.monotonic() + timeout_seconds
        self._child.send(task)
        while True:
            message: Message | None = self._child.receive(deadline=deadline, should_stop=should_stop)
            if not isinstance(message, ScoringProgress):
                return message
            on_progress(message)

    def abandon(self) -> None:
        """Ask to leave the task at work at its next sign of progress."""
        with suppress(ChildCrashedError):  # its caller gets the error
            self._child.send(Abandoned())

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._child.kill()


def load_by_name(model: str, encoders: str | None, device: str, network: str | None = None) -> "Detector":
    """The detector; PyTorch is imported by the child alone."""
    from avadclip.inference.detector import load_detector

    return load_detector(model, encoders=encoders, device=device, network=network)


def obtain_by_name(model: str, encoders: str | None) -> None:
    """Download what `load_by_name` needs, in a process of its own, so that the server's does without PyTorch.

    Raises:
        AvadclipError: as obtain_weights.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        pool.submit(_obtain, model, encoders).result()


def _obtain(model: str, encoders: str | None) -> None:
    from avadclip.inference.detector import obtain_weights

    obtain_weights(model, encoders=encoders)


def _work(connection: "Connection[object, object]", load: Callable[[], "Detector"]) -> None:
    go_offline()  # a job does not wait for a download
    try:
        detector = load()
    except AvadclipError as error:
        connection.send(Refused(str(error)))
        return
    connection.send(Ready())
    while True:
        task = connection.recv()
        if isinstance(task, Task):  # an Abandoned that came too late is no task
            connection.send(_score(detector, task, connection))


class _AbandonedError(Exception):
    pass


def _score(detector: "Detector", task: Task, connection: "Connection[object, object]") -> Answer:
    def check() -> None:
        if connection.poll() and isinstance(connection.recv(), Abandoned):
            raise _AbandonedError

    def report(seconds_done: float, seconds_total: float) -> None:
        connection.send(ScoringProgress(seconds_done, seconds_total))
        check()

    try:
        # Ids of events are unique in the whole service.
        found = detector.detect(task.path, on_progress=report).renamed(task.name, task.job_id)
        write_result(found, task.path, task.result_folder, on_progress=check)
    except _AbandonedError:
        return Abandoned()
    except OSError as error:
        return Refused(f"the result of {task.name} cannot be kept ({error.strerror or error})")
    except AvadclipError as error:
        # The client named the video otherwise, and must not learn where it lies on the server.
        return Refused(" ".join(str(error).replace(str(task.path), task.name).split()))
    return Found(
        events=tuple(_stored(event, task) for event in found.events),
        peak_score=float(found.track.scores.max()),
        duration_seconds=found.media.duration_seconds,
        network=found.network,
    )


def _stored(event: "Event", task: Task) -> StoredEvent:
    return StoredEvent(job_id=task.job_id, **event.model_dump(exclude={"snapshot"}))
