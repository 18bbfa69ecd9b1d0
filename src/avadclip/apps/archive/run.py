"""A run over an archive: planning, results and retries."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal

from avadclip.apps.archive.cluster import LOCAL, connect
from avadclip.apps.archive.job import ArchiveJob, made_by
from avadclip.apps.archive.manifest import Manifest, ManifestRow, now, open_manifest
from avadclip.apps.archive.parts import PARTS_FOLDER
from avadclip.apps.archive.pool import PartFinished, Pool
from avadclip.apps.archive.ranges import RANGE_SECONDS
from avadclip.apps.archive.sources import VideoSource
from avadclip.apps.archive.storage import Storage
from avadclip.apps.archive.worker import (
    Divided,
    Done,
    Failed,
    JoinedVideo,
    NotDivisible,
    PartDone,
    Unit,
    VideoRange,
    WholeVideo,
)

TIME_LIMIT_SECONDS = 3600.0  # per video, or per range of a long one
MAX_ATTEMPTS = 3  # for a video whose worker dies, hangs or cannot fetch it


@dataclass(frozen=True)
class ArchiveOutcome:
    """Outcome of one video."""

    source: VideoSource
    status: Literal["done", "kept", "failed"]
    """`kept`: an up-to-date result of the same content existed."""
    output: str
    """Path or URL of the feature file or report folder."""
    message: str = ""
    """Why it failed, one line."""


def run_archive(
    job: ArchiveJob,
    sources: Sequence[VideoSource],
    out: str,
    *,
    ray_address: str = LOCAL,
    num_workers: int | None = None,
    time_limit_seconds: float = TIME_LIMIT_SECONDS,
    max_attempts: int = MAX_ATTEMPTS,
    range_seconds: float = RANGE_SECONDS,
    on_note: Callable[[str], None] = lambda _: None,
) -> Iterator[ArchiveOutcome]:
    """Run a job on every video in parallel and maintain a manifest; the next run resumes from it.

    Args:
        job: the job.
        sources: the videos.
        out: folder (absolute path) or URL of results and manifest; one run at a time may use it.
        ray_address: see cluster.connect.
        num_workers: processes, one video each; by default as many as fit.
        time_limit_seconds: for one video, or one range of a long one.
        max_attempts: per video; errors of the video itself are not retried.
        range_seconds: length of the ranges that long videos are divided into.
        on_note: called with one line if the manifest was converted from an older format.

    Yields:
        The outcome of every video, in order of completion.

    Raises:
        ConfigError: Ray is unreachable, or the workers cannot run the job.
        DataError: the manifest cannot be read or written.
    """
    storage = Storage(out)
    with (
        open_manifest(storage, on_note) as manifest,
        connect(ray_address) as cluster,
        closing(Pool(cluster, job, out, num_workers=num_workers, time_limit_seconds=time_limit_seconds)) as pool,
    ):
        run = _Run(job, pool, storage, manifest, max_attempts=max_attempts, range_seconds=range_seconds)
        yield from run.go(sources)


@dataclass
class _Video:
    """A video in progress."""

    source: VideoSource
    waiting: set[Unit] = field(default_factory=set)
    """Unfinished units; results of other units are late and are ignored."""
    spans: Divided | None = None
    num_failures: int = 0
    seconds: float = 0.0


class _Run:
    """State of a run: queued units, videos in progress, and outcomes."""

    def __init__(
        self,
        job: ArchiveJob,
        pool: Pool,
        storage: Storage,
        manifest: Manifest,
        *,
        max_attempts: int,
        range_seconds: float,
    ) -> None:
        self._job = job
        self._pool = pool
        self._storage = storage
        self._manifest = manifest
        self._max_attempts = max_attempts
        self._range_seconds = range_seconds
        self._made_by = made_by(pool.identity())
        self._queue: deque[Unit] = deque()
        self._videos: dict[str, _Video] = {}
        self._num_failed = 0

    def go(self, sources: Sequence[VideoSource]) -> Iterator[ArchiveOutcome]:
        """Process all sources."""
        yield from self._fill_queue(sources)
        num_at_work = 0
        while self._queue or num_at_work:
            while self._queue and self._pool.has_room:
                unit = self._queue.popleft()
                if self._is_wanted(unit):
                    self._pool.submit(unit)
                    num_at_work += 1
            for finished in self._pool.wait(1.0):
                num_at_work -= 1
                outcome = self._take(finished)
                if outcome is not None:
                    yield outcome
        if not self._num_failed:  # otherwise the next run needs the parts of long videos
            for name in self._storage.sizes():
                if name.startswith(f"{PARTS_FOLDER}/"):
                    self._storage.remove(name)

    def _fill_queue(self, sources: Sequence[VideoSource]) -> Iterator[ArchiveOutcome]:
        owners: dict[str, VideoSource] = {}
        sizes = self._storage.sizes()
        for source in sources:
            owner = owners.setdefault(source.place, source)
            if owner is not source:
                yield self._end(_Video(source), f"would share its result file with {owner.name}; rename one of them")
            elif self._is_done(source, sizes):
                yield ArchiveOutcome(source, "kept", self._output(source))
            else:
                self._manifest.put(self._row(_Video(source), "pending"))
                unit = WholeVideo(source, self._range_seconds)
                self._videos[source.address] = _Video(source, {unit})
                self._queue.append(unit)

    def _is_done(self, source: VideoSource, sizes: dict[str, int]) -> bool:
        """Whether video and result are unchanged according to the manifest, without reading the video."""
        row = self._manifest.get(source.address)
        return (
            row is not None
            and row.status == "done"
            and row.made_by == self._made_by
            and row.output == self._output(source)
            and row.output_bytes == sum(sizes.get(name, 0) for name in self._job.result_names(source.place))
            and source.version is not None
            and (row.source_version, row.source_bytes) == (source.version, source.num_bytes)
        )

    def _is_wanted(self, unit: Unit) -> bool:
        video = self._videos.get(unit.source.address)
        return video is not None and unit in video.waiting

    def _take(self, finished: PartFinished) -> ArchiveOutcome | None:
        """Process a finished unit; return the outcome of the video if it was its last unit."""
        unit, answer, seconds = finished
        if not self._is_wanted(unit):
            return None
        video = self._videos[unit.source.address]
        video.seconds += seconds
        match answer:
            case Failed(message, may_pass):
                return self._fail(video, unit, message, may_pass=may_pass)
            case Done():
                return self._end(video, answer)
            case Divided():
                video.spans = answer
                self._plan(video, *(VideoRange(video.source, answer.source_sha256, span) for span in answer.spans))
            case PartDone():
                video.waiting.remove(unit)
                if not video.waiting and video.spans is not None:
                    self._plan(video, JoinedVideo(video.source, video.spans.source_sha256, video.spans.spans))
            case NotDivisible():
                self._plan(video, WholeVideo(video.source, range_seconds=None))
        return None

    def _plan(self, video: _Video, *units: Unit) -> None:
        """Queue units at the front, so that a started video is finished before others start."""
        video.waiting = set(units)
        self._queue.extendleft(reversed(units))

    def _fail(self, video: _Video, unit: Unit, message: str, *, may_pass: bool) -> ArchiveOutcome | None:
        video.num_failures += 1
        if not may_pass or video.num_failures >= self._max_attempts:
            return self._end(video, message)
        self._queue.append(unit)
        return None

    def _end(self, video: _Video, result: Done | str) -> ArchiveOutcome:
        """Record the end of a video; a string is the reason of its failure."""
        source = video.source
        self._videos.pop(source.address, None)
        if isinstance(result, str):
            self._num_failed += 1
            self._manifest.put(self._row(video, "failed", error=result))
            return ArchiveOutcome(source, "failed", self._output(source), result)
        self._manifest.put(self._row(video, "done", result=result))
        return ArchiveOutcome(source, "kept" if result.was_there else "done", self._output(source))

    def _row(
        self,
        video: _Video,
        status: Literal["pending", "done", "failed"],
        *,
        result: Done | None = None,
        error: str | None = None,
    ) -> ManifestRow:
        source = video.source
        return ManifestRow(
            source.address,
            status,
            error=error,
            seconds=round(video.seconds, 3),
            attempts=video.num_failures + (result is not None),
            source_bytes=source.num_bytes,
            source_version=source.version,
            source_sha256=None if result is None else result.source_sha256,
            output=self._output(source),
            output_bytes=None if result is None else result.num_bytes,
            made_by=self._made_by,
            finished_at=None if status == "pending" else now(),
        )

    def _output(self, source: VideoSource) -> str:
        return self._storage.address_of(self._job.output_name(source.place))
