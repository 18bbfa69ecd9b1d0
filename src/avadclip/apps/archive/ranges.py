"""One large video in ranges of time, and back to what one pass over it gives, number for number.

A range begins to decode at a key picture ahead of it. Whether that leads to the pictures of an undivided pass is not
taken for granted: every range also reads the first picture of the next one, and both must have come to the same time
and the same pixels. Where they have not, or anything about the video is odd, it is done in one piece instead.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.encoders.base import Encoders, Frame, VisualEncoder
from avadclip.errors import MediaError
from avadclip.features.extract import encode_picture, encode_sound, provenance_of
from avadclip.features.snippets import SnippetFeatures
from avadclip.media.audio import SoundReader
from avadclip.media.clock import may_jump
from avadclip.media.container import header_seconds, open_media, picture_stream
from avadclip.media.probe import MediaFile
from avadclip.media.video import VideoReader, VideoReport
from avadclip.timeline import SnippetGrid

RANGE_SECONDS = 1800.0  # of video in one range; twice as much is the shortest video that is divided


class IndivisibleError(Exception):
    """Ranges of this video are not what one pass over it gives; it is to be done in one piece."""


class TimeRange(NamedTuple):
    """Snippets of one range, half open; the last range ends where the picture does."""

    start: int
    stop: int | None


class RangeFeatures(NamedTuple):
    """The picture's features in one range, and what shows whether it joins its neighbours."""

    visual: NDArray[np.float32]
    """[K, snippets of the range, Dv]"""
    first_picture: str
    """Time and hash of the first picture of the range."""
    next_picture: str | None
    """The same of the next range's first, as seen from this one; None in the last range."""
    duration_seconds: float | None
    """Of the whole picture; known in the last range."""


def plan_spans(
    media: MediaFile, encoder: VisualEncoder, grid: SnippetGrid, *, range_seconds: float = RANGE_SECONDS
) -> tuple[TimeRange, ...]:
    """The ranges to divide a video into; none where it is short, odd, or cannot be entered in the middle.

    Raises:
        MediaError: the file cannot be read.
    """
    # Whole batches: an encoder is given the same snippets together as in an undivided pass.
    per_batch = encoder.snippets_per_batch
    length = max(1, int(range_seconds / grid.snippet_seconds) // per_batch) * per_batch
    num_snippets = grid.num_snippets(media.info.duration_seconds)
    if num_snippets < 2 * length or not _states_length(media) or _starts_oddly(media, encoder):
        return ()
    starts = [start for start in range(0, num_snippets, length) if num_snippets - start >= length / 2]
    return tuple(TimeRange(start, stop) for start, stop in zip(starts, [*starts[1:], None], strict=True))


def encode_range(media: MediaFile, encoder: VisualEncoder, grid: SnippetGrid, span: TimeRange) -> RangeFeatures:
    """Encode the picture of one range.

    Raises:
        IndivisibleError: something is odd, or the picture ends before the range does.
    """
    pictures = _RangePictures(media, encoder, grid, span)
    try:
        visual = encode_picture(pictures, media.path, encoder, grid)
    except MediaError as error:  # from the middle; from the start it may well be readable
        raise IndivisibleError(str(error)) from error
    report = pictures.whole_report
    if report.notes or report.given_seconds is None:
        raise IndivisibleError(f"{media.path}: {'; '.join(report.notes)}")
    first, last = report.given_seconds
    return RangeFeatures(
        visual,
        first_picture=f"{first!r} {pictures.first_sha256}",
        next_picture=None if span.stop is None else f"{last!r} {pictures.next_sha256}",
        duration_seconds=report.duration_seconds if span.stop is None else None,
    )


def join_ranges(
    media: MediaFile, ranges: Sequence[RangeFeatures], encoders: Encoders, grid: SnippetGrid
) -> SnippetFeatures:
    """Put the ranges together and encode the sound, which may be normalised over the recording and stays one piece.

    Raises:
        IndivisibleError: the ranges do not fit together.
        MediaError: the sound cannot be read.
    """
    for one, following in pairwise(ranges):
        if one.next_picture != following.first_picture:
            raise IndivisibleError(f"{media.path}: decoding from the middle gives other pictures than from the start")
    visual = np.concatenate([each.visual for each in ranges], axis=1)
    duration = ranges[-1].duration_seconds
    if duration is None or visual.shape[1] != grid.num_snippets(duration):
        raise IndivisibleError(
            f"{media.path}: the ranges hold {visual.shape[1]} snippets, the whole video another number"
        )
    audio, sound = None, None
    if encoders.audio is not None and media.has_sound:
        reader = SoundReader(media)
        audio = encode_sound(reader, encoders.audio, grid, visual.shape[1])
        sound = reader.report
    return SnippetFeatures(
        visual=visual,
        audio=audio,
        duration_seconds=duration,
        provenance=provenance_of(encoders, grid),
        sound_is_silent=sound is not None and sound.silent,
        notes=() if sound is None else sound.notes,
    )


class _RangePictures:
    """The pictures of one range, on a clock that begins with it. See media.damage.PictureSource."""

    def __init__(self, media: MediaFile, encoder: VisualEncoder, grid: SnippetGrid, span: TimeRange) -> None:
        self._span = span
        self._grid = grid
        self._per_snippet = len(encoder.frame_offsets)
        start_seconds = span.start * grid.snippet_seconds
        self._reader = VideoReader(media, frame_size=encoder.frame_size, skip_to_seconds=start_seconds)
        self.first_sha256 = ""
        self.next_sha256 = ""

    @property
    def whole_report(self) -> VideoReport:
        """Of the pass, on the video's clock."""
        return self._reader.report

    @property
    def report(self) -> VideoReport:
        """Of the pass, with the length of the range."""
        start, stop = self._span
        snippet_seconds = self._grid.snippet_seconds
        seconds = max(0.0, self.whole_report.duration_seconds - start * snippet_seconds)
        return dataclasses.replace(
            self.whole_report,
            duration_seconds=seconds if stop is None else (stop - start) * snippet_seconds,
        )

    def frames_at(self, times: Iterable[float]) -> Iterator[Frame]:
        """Of all times of the video, the pictures at those in the range; the next range's first is only looked at."""
        start, stop = self._span
        end = None if stop is None else stop * self._per_snippet
        wanted = islice(times, start * self._per_snippet, None if end is None else end + 1)
        num_own = None if end is None else end - start * self._per_snippet
        for number, frame in enumerate(self._reader.frames_at(wanted)):
            if number == 0:
                self.first_sha256 = _hash(frame)
            if number == num_own:
                self.next_sha256 = _hash(frame)
            else:
                yield frame
        if num_own is not None and not self.next_sha256:
            raise IndivisibleError(f"{self._reader.media.path}: the picture ends before the header says")


def _hash(frame: Frame) -> str:
    return hashlib.sha256(frame.tobytes()).hexdigest()


def _states_length(media: MediaFile) -> bool:
    """Whether the header states how long the file is, and timestamps never restart in it."""
    with open_media(media.path) as container:
        return header_seconds(container, picture_stream(container)) is not None and not may_jump(container)


def _starts_oddly(media: MediaFile, encoder: VisualEncoder) -> bool:
    """Whether the first picture already shows something to note, such as interlacing: no need to try ranges."""
    reader = VideoReader(media, frame_size=encoder.frame_size)
    for _ in reader.frames_at([0.0]):
        pass
    return bool(reader.report.notes)
