"""Worker processes by Ray: each does one unit at a time; the dead and the stuck are replaced."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from avadclip.apps.archive.cluster import Cluster
from avadclip.apps.archive.job import ArchiveJob
from avadclip.apps.archive.worker import Answer, ArchiveWorker, Failed, Unit
from avadclip.errors import ConfigError

MAX_START_FAILURES = 3  # in a row, before it is no longer taken for bad luck


class PartFinished(NamedTuple):
    """What became of a unit."""

    unit: Unit
    answer: Answer
    seconds: float


@dataclass
class _Call:
    """Something a worker is at."""

    worker: Any
    unit: Unit | None
    """None: it is starting."""
    started: float


class Pool:
    """A number of workers with the same job, which all make the same results.

    Args:
        cluster: where they run.
        job: what they do.
        out: folder or URL of the results.
        num_workers: by default as many as fit.
        time_limit_seconds: for one unit; the worker is killed after it.

    Raises:
        ConfigError: see Cluster.share.
    """

    def __init__(
        self, cluster: Cluster, job: ArchiveJob, out: str, *, num_workers: int | None, time_limit_seconds: float
    ) -> None:
        self._ray = cluster.ray
        share = cluster.share(num_workers, job.device)
        self._actor = self._ray.remote(ArchiveWorker).options(num_cpus=share.num_cpus, num_gpus=share.num_gpus)
        self._arguments = (job, out)
        self._time_limit_seconds = time_limit_seconds
        self._identity: dict[str, Any] | None = None
        self._num_start_failures = 0
        self._idle: list[Any] = []
        self._calls: dict[Any, _Call] = {}
        for _ in range(share.num_workers):
            self._start_worker()

    @property
    def has_room(self) -> bool:
        """Whether a worker waits for work."""
        return bool(self._idle)

    def identity(self) -> dict[str, Any]:
        """What all workers say decides their results; waits for the first one.

        Raises:
            ConfigError: the job cannot be done here; what the worker said.
        """
        while self._identity is None:
            for _ in self.wait(1.0):
                pass
        return self._identity

    def submit(self, unit: Unit) -> None:
        """Give a waiting worker something to do."""
        worker = self._idle.pop()
        self._calls[worker.do.remote(unit)] = _Call(worker, unit, time.monotonic())

    def wait(self, seconds: float) -> Iterator[PartFinished]:
        """What finishes within some seconds, at once when anything does; also what died or took too long.

        Raises:
            ConfigError: workers cannot start, or do not agree on what they make.
        """
        ready, _ = self._ray.wait(list(self._calls), num_returns=1, timeout=seconds)
        for reference in ready:
            call = self._calls.pop(reference)
            if call.unit is None:
                self._meet(call, reference)
            else:
                yield self._collect(call, call.unit, reference)
        yield from self._end_the_stuck()

    def close(self) -> None:
        """End all workers."""
        for worker in [*self._idle, *(call.worker for call in self._calls.values())]:
            self._ray.kill(worker)
        self._idle.clear()
        self._calls.clear()

    def _start_worker(self) -> None:
        worker = self._actor.remote(*self._arguments)
        self._calls[worker.introduce.remote()] = _Call(worker, None, time.monotonic())

    def _meet(self, call: _Call, reference: Any) -> None:
        try:
            introduction = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._start_failed(str(error))
            return
        if isinstance(introduction, str):
            raise ConfigError(introduction)
        if self._identity is None:
            self._identity = introduction
        elif introduction != self._identity:
            raise ConfigError(
                f"two machines of the cluster would make unlike results ({_difference(introduction, self._identity)}); "
                "give all the same weights and options"
            )
        self._num_start_failures = 0
        self._idle.append(call.worker)

    def _start_failed(self, reason: str) -> None:
        self._num_start_failures += 1
        if self._num_start_failures < MAX_START_FAILURES:
            self._start_worker()
        elif not self._idle and not self._calls:  # else go on with those there are
            raise ConfigError(
                f"workers end while they start ({' '.join(reason.split())}); is there memory for them? "
                "Fewer --workers need less"
            )

    def _collect(self, call: _Call, unit: Unit, reference: Any) -> PartFinished:
        answer: Answer
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayError:
            answer = Failed("the worker process died at it (a crash, too little memory, or killed)", may_pass=True)
            self._start_worker()
        else:
            self._idle.append(call.worker)
        return PartFinished(unit, answer, time.monotonic() - call.started)

    def _end_the_stuck(self) -> Iterator[PartFinished]:
        now = time.monotonic()
        for reference, call in list(self._calls.items()):
            seconds = now - call.started
            # A start has no limit: a worker may wait until its machine comes free.
            if call.unit is not None and seconds > self._time_limit_seconds:
                del self._calls[reference]
                self._ray.kill(call.worker)
                self._start_worker()
                message = f"not done after {self._time_limit_seconds:g} s; --time-limit allows longer"
                yield PartFinished(call.unit, Failed(message, may_pass=True), seconds)


def _difference(found: dict[str, Any], other: dict[str, Any]) -> str:
    """The first values that differ, as `key: one, other`."""
    for key in sorted(found.keys() | other.keys()):
        one, two = found.get(key), other.get(key)
        if isinstance(one, dict) and isinstance(two, dict) and one != two:
            return f"{key}, {_difference(one, two)}"
        if one != two:
            return f"{key}: {one}, {two}"
    return "nothing"
