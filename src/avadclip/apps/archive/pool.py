"""Pool of Ray worker processes with one unit of work each; dead and stuck workers are replaced."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from avadclip.apps.archive.cluster import Cluster
from avadclip.apps.archive.job import ArchiveJob
from avadclip.apps.archive.worker import Answer, ArchiveWorker, Failed, Unit
from avadclip.errors import ConfigError

MAX_START_FAILURES = 3  # consecutive failures before the run fails


class PartFinished(NamedTuple):
    """Result of a unit of work."""

    unit: Unit
    answer: Answer
    seconds: float


@dataclass
class _Call:
    """A running call of a worker."""

    worker: Any
    unit: Unit | None
    """The unit of work; None while the worker starts."""
    started: float


class Pool:
    """Pool of workers with the same job, which must all produce the same results.

    Args:
        cluster: machines of the workers.
        job: their job.
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
        """Whether a worker is idle."""
        return bool(self._idle)

    def identity(self) -> dict[str, Any]:
        """Identity of the workers' results; waits for the first worker.

        Raises:
            ConfigError: a worker cannot run the job; with its message.
        """
        while self._identity is None:
            for _ in self.wait(1.0):
                pass
        return self._identity

    def submit(self, unit: Unit) -> None:
        """Give a unit to an idle worker."""
        worker = self._idle.pop()
        self._calls[worker.do.remote(unit)] = _Call(worker, unit, time.monotonic())

    def wait(self, seconds: float) -> Iterator[PartFinished]:
        """Yield finished, crashed and timed-out units, as soon as there are any, for at most `seconds`.

        Raises:
            ConfigError: workers cannot start, or would produce different results.
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
                f"two machines would produce different results ({_difference(introduction, self._identity)}); "
                "use the same weights and options on all"
            )
        self._num_start_failures = 0
        self._idle.append(call.worker)

    def _start_failed(self, reason: str) -> None:
        self._num_start_failures += 1
        if self._num_start_failures < MAX_START_FAILURES:
            self._start_worker()
        elif not self._idle and not self._calls:  # otherwise continue with the running workers
            raise ConfigError(
                f"workers crash at their start ({' '.join(reason.split())}); check the available memory, "
                "fewer --workers need less"
            )

    def _collect(self, call: _Call, unit: Unit, reference: Any) -> PartFinished:
        answer: Answer
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayError:
            answer = Failed("the worker process died (crash, out of memory, or killed)", may_pass=True)
            self._start_worker()
        else:
            self._idle.append(call.worker)
        return PartFinished(unit, answer, time.monotonic() - call.started)

    def _end_the_stuck(self) -> Iterator[PartFinished]:
        now = time.monotonic()
        for reference, call in list(self._calls.items()):
            seconds = now - call.started
            # A start has no time limit: a worker may wait for a free machine.
            if call.unit is not None and seconds > self._time_limit_seconds:
                del self._calls[reference]
                self._ray.kill(call.worker)
                self._start_worker()
                message = f"timed out after {self._time_limit_seconds:g} s; raise --time-limit"
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
