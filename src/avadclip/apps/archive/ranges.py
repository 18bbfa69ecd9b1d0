"""Division of a long video into time ranges, with features identical to those of one pass.

A range starts decoding at a key frame before it. To verify that this gives the frames of an undivided pass, every range
also decodes the first frame of the next one, and both must agree in time and pixels. If they differ, or the video has
any irregularity, it is processed in one piece.
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
from avadclip.features.extract import audio_stream, encode_picture, provenance_of, read_sound, skipper
from avadclip.features.skip_still import still_note
from avadclip.features.snippets import SnippetFeatures
from avadclip.media.container import header_seconds, open_media, picture_stream
from avadclip.media.probe import MediaFile
from avadclip.media.times.clock import may_jump
from avadclip.media.video import VideoReader, VideoReport
from avadclip.timeline import SnippetGrid

RANGE_SECONDS = 1800.0  # length of a range; videos shorter than two ranges are not divided


class IndivisibleError(Exception):
    """The ranges of a video differ from one pass over it; it must be processed in one piece."""


class TimeRange(NamedTuple):
    """Half-open range of snippets; the last range ends with the video."""

    start: int
    stop: int | None


class RangeFeatures(NamedTuple):
    """Visual features of one range, with frame hashes that verify the joins to its neighbours."""

    visual: NDArray[np.float32]
    """[K, snippets of the range, Dv]"""
    first_picture: str
    """Time and hash of the first frame of the range."""
    next_picture: str | None
    """Time and hash of the next range's first frame, as decoded in this range; None in the last range."""
    duration_seconds: float | None
    """Length of the whole video; known in the last range."""
    num_encoded: int | None = None
    """Encoded snippets, where still footage is skipped; each range is calibrated anew."""


def plan_spans(
    media: MediaFile, encoder: VisualEncoder, grid: SnippetGrid, *, range_seconds: float = RANGE_SECONDS
) -> tuple[TimeRange, ...]:
    """Plan the ranges of a video; none if it is short, irregular, or cannot seek.

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


def encode_range(media: MediaFile, encoders: Encoders, grid: SnippetGrid, span: TimeRange) -> RangeFeatures:
    """Encode the picture of one range.

    Raises:
        IndivisibleError: the video is irregular, or ends before the range does.
    """
    pictures = _RangePictures(media, encoders.visual, grid, span)
    stills = skipper(encoders, grid)
    try:
        visual = encode_picture(pictures, media.path, encoders.visual, grid, stills=stills)
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
        num_encoded=None if stills is None else stills.num_encoded,
    )


def join_ranges(
    media: MediaFile, ranges: Sequence[RangeFeatures], encoders: Encoders, grid: SnippetGrid
) -> SnippetFeatures:
    """Put the ranges together and encode the sound, which may be normalised over the recording and stays one piece.

    Raises:
        IndivisibleError: the ranges do not fit together.
        MediaError: the audio cannot be read.
    """
    for one, following in pairwise(ranges):
        if one.next_picture != following.first_picture:
            raise IndivisibleError(f"{media.path}: decoding from the middle gives other frames than from the start")
    visual = np.concatenate([each.visual for each in ranges], axis=1)
    duration = ranges[-1].duration_seconds
    if duration is None or visual.shape[1] != grid.num_snippets(duration):
        raise IndivisibleError(
            f"{media.path}: the ranges have {visual.shape[1]} snippets in total, the whole video a different number"
        )
    num_encoded = [each.num_encoded for each in ranges if each.num_encoded is not None]
    sound = read_sound(media, encoders, grid, visual.shape[1], audio_stream(encoders, grid))
    return SnippetFeatures(
        visual=visual,
        audio=sound.audio,
        tags=sound.tags,
        duration_seconds=duration,
        provenance=provenance_of(encoders, grid),
        sound_is_silent=sound.report is not None and sound.report.silent,
        audio_track=media.audio_track,
        notes=(
            *(() if sound.report is None else sound.report.notes),
            *([still_note(sum(num_encoded), visual.shape[1])] if num_encoded else []),
        ),
    )


class _RangePictures:
    """Frame source of one range, on a clock that begins with it. See media.damage.PictureSource."""

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
        """Report of the pass, on the video's clock."""
        return self._reader.report

    @property
    def report(self) -> VideoReport:
        """Report of the pass, with the length of the range."""
        start, stop = self._span
        snippet_seconds = self._grid.snippet_seconds
        seconds = max(0.0, self.whole_report.duration_seconds - start * snippet_seconds)
        return dataclasses.replace(
            self.whole_report,
            duration_seconds=seconds if stop is None else (stop - start) * snippet_seconds,
        )

    def frames_at(self, times: Iterable[float]) -> Iterator[Frame]:
        """Yield the frames at the times in the range; the next range's first frame is only hashed."""
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
            raise IndivisibleError(f"{self._reader.media.path}: the video ends before its header states")


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
