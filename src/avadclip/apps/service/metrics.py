"""Metrics for Prometheus."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from avadclip.apps.service.schemas import JobState

disable_created_metrics()  # type: ignore[no-untyped-call]


class Reading(NamedTuple):
    """Values read at every scrape."""

    jobs: dict[str, int]
    kept_bytes: int
    is_ready: bool
    num_worker_crashes: int


class Metrics:
    """Metrics with a registry per service, so that one process can have several."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(_Readings(read))
        labels = ("method", "route", "status")
        self._requests = Counter("avadclip_http_requests", "Requests answered", labels, registry=self._registry)
        self._seconds = Histogram(
            "avadclip_http_request_seconds", "Time to answer a request", ("route",), registry=self._registry
        )

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _Readings(Collector):
    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def describe(self) -> Iterator[Metric]:
        """Return nothing at registration."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Read the current values."""
        reading = self._read()
        jobs = GaugeMetricFamily("avadclip_jobs", "Stored jobs, by state", labels=["state"])
        for state in JobState:
            jobs.add_metric([state], reading.jobs.get(state, 0))
        yield jobs
        yield GaugeMetricFamily("avadclip_video_bytes", "Size of the stored videos", reading.kept_bytes)
        yield GaugeMetricFamily("avadclip_worker_ready", "1 while the detector is loaded", float(reading.is_ready))
        yield GaugeMetricFamily(
            "avadclip_worker_crashes", "Worker crashes since the service started", reading.num_worker_crashes
        )
