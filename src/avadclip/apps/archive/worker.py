"""Worker process: it loads the networks once and processes one unit of work at a time."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avadclip.apps.archive.job import ArchiveJob, made_by
from avadclip.apps.archive.parts import PARTS_FOLDER, part_name, read_part, write_part
from avadclip.apps.archive.ranges import (
    IndivisibleError,
    RangeFeatures,
    TimeRange,
    encode_range,
    join_ranges,
    plan_spans,
)
from avadclip.apps.archive.scratch import scratch_folder, sweep
from avadclip.apps.archive.sources import VideoSource, local_copy
from avadclip.apps.archive.storage import Storage
from avadclip.encoders.downloads.notice import go_offline
from avadclip.errors import AvadclipError
from avadclip.features.batch import content_sha256
from avadclip.features.extract import extract_features
from avadclip.features.snippets import SnippetFeatures
from avadclip.media.container import shown
from avadclip.media.probe import MediaFile


@dataclass(frozen=True)
class WholeVideo:
    """Unit of work: one video from file to result, unless it has to be divided first."""

    source: VideoSource
    range_seconds: float | None
    """Length of the ranges of a long video; None processes it in one piece."""


@dataclass(frozen=True)
class VideoRange:
    """Unit of work: one range of a video, to a part file."""

    source: VideoSource
    source_sha256: str
    span: TimeRange


@dataclass(frozen=True)
class JoinedVideo:
    """Unit of work: all parts of a video to its result."""

    source: VideoSource
    source_sha256: str
    spans: tuple[TimeRange, ...]


Unit = WholeVideo | VideoRange | JoinedVideo


@dataclass(frozen=True)
class Done:
    """Answer: the result is written."""

    source_sha256: str
    num_bytes: int
    """Size of the result's files."""
    was_there: bool
    """Whether it is an up-to-date result of an earlier run."""


@dataclass(frozen=True)
class Divided:
    """Answer: the video is long and its ranges have to be processed."""

    source_sha256: str
    spans: tuple[TimeRange, ...]


@dataclass(frozen=True)
class PartDone:
    """Answer: the range's part file is written."""


@dataclass(frozen=True)
class NotDivisible:
    """Answer: the video has to be processed in one piece."""


@dataclass(frozen=True)
class Failed:
    """Answer: the unit failed."""

    message: str
    may_pass: bool
    """Whether a retry may help: False for errors of the video itself."""


Answer = Done | Divided | PartDone | NotDivisible | Failed


class ArchiveWorker:
    """Worker that processes units; a plain class that Ray runs in a process.

    Args:
        job: the job.
        out: folder or URL of the results.
    """

    def __init__(self, job: ArchiveJob, out: str) -> None:
        go_offline()  # many workers would download the same at once
        self._job = job
        self._storage = Storage(out)
        sweep()  # remove files of a worker that this one may replace
        self._refusal: str | None = None
        try:
            self._work = job.load()
            self._identity = self._work.identity()
        except (AvadclipError, OSError) as error:
            self._refusal = str(error)

    def introduce(self) -> dict[str, Any] | str:
        """Load the job; return the identity of its results, or an error message."""
        return self._identity if self._refusal is None else self._refusal

    def do(self, unit: Unit) -> Answer:
        """Process one unit; errors are returned as answers, only a dead process gives none."""
        path: Path | None = None
        try:
            with scratch_folder() as scratch, local_copy(unit.source, scratch) as path:
                match unit:
                    case WholeVideo():
                        return self._do_whole(unit, path, scratch)
                    case VideoRange():
                        return self._do_range(unit, path, scratch)
                    case JoinedVideo():
                        return self._join(unit, path, scratch)
        except IndivisibleError:
            return NotDivisible()
        except Exception as error:  # one bad file must not end the work on a million others
            is_known = isinstance(error, AvadclipError | OSError)
            message = str(error) if is_known else f"{type(error).__name__}: {error}"
            if path is not None:
                message = message.replace(shown(path), shown(unit.source.name))
            return Failed(" ".join(message.splitlines()), may_pass=not isinstance(error, AvadclipError))

    def _open(self, path: Path) -> MediaFile:
        return MediaFile.open(path, audio_track=self._job.audio_track)

    def _do_whole(self, unit: WholeVideo, path: Path, scratch: Path) -> Done | Divided:
        media = self._open(path)  # names what is wrong with it before its content is hashed
        sha256, work, place = content_sha256(path), self._work, unit.source.place
        if work.is_current(self._storage, place, sha256, scratch):
            sizes = [self._storage.size(name) for name in self._job.result_names(place)]
            return Done(sha256, sum(sizes), was_there=True)
        if unit.range_seconds is not None:
            spans = plan_spans(media, work.encoders.visual, work.grid, range_seconds=unit.range_seconds)
            if spans:
                return Divided(sha256, spans)
        features = extract_features(media, work.encoders, grid=work.grid)
        return self._finish(features, unit.source, sha256, media, scratch)

    def _do_range(self, unit: VideoRange, path: Path, scratch: Path) -> PartDone:
        name = self._part_name(unit.source_sha256, unit.span)
        if self._storage.size(name) == 0:
            part = encode_range(self._open(path), self._work.encoders, self._work.grid, unit.span)
            file = scratch / "part.safetensors"
            write_part(file, part)
            self._storage.publish(file, name)
        return PartDone()

    def _join(self, unit: JoinedVideo, path: Path, scratch: Path) -> Done:
        names = [self._part_name(unit.source_sha256, span) for span in unit.spans]
        try:
            parts = self._read_parts(names, scratch)
            media = self._open(path)
            features = join_ranges(media, parts, self._work.encoders, self._work.grid)
            done = self._finish(features, unit.source, unit.source_sha256, media, scratch)
        except (AvadclipError, IndivisibleError) as error:
            self._remove_parts(names)
            raise IndivisibleError(str(error)) from error
        self._remove_parts(names)
        return done

    def _read_parts(self, names: Sequence[str], scratch: Path) -> list[RangeFeatures]:
        parts = []
        for name in names:
            file = self._storage.fetch(name, scratch)
            if file is None:
                raise IndivisibleError(f"part file {name} is missing")
            parts.append(read_part(file))
            file.unlink()
        return parts

    def _remove_parts(self, names: Sequence[str]) -> None:
        for name in names:
            self._storage.remove(name)
        self._storage.remove_empty(PARTS_FOLDER)

    def _finish(
        self, features: SnippetFeatures, source: VideoSource, sha256: str, media: MediaFile, scratch: Path
    ) -> Done:
        folder = scratch / "result"
        folder.mkdir()
        files = self._work.make(dataclasses.replace(features, source_sha256=sha256), source, media, folder)
        for file, name in zip(files, self._job.result_names(source.place), strict=True):
            self._storage.publish(file, name)
        return Done(sha256, sum(file.stat().st_size for file in files), was_there=False)

    def _part_name(self, source_sha256: str, span: TimeRange) -> str:
        return part_name(source_sha256, made_by(self._identity), span)
