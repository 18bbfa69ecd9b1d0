"""Pictures at the times asked for, in one pass over the file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from avadclip.errors import MediaError
from avadclip.media.container import keep_only, open_media, picture_stream, shown
from avadclip.media.decode import DecodeCount, decode, readable
from avadclip.media.pixels import RgbConverter

MAX_UNDECODABLE_SHARE = 0.5  # of the packets; above it the picture is more guess than video
NOMINAL_RATE_HZ = 25.0  # where a file states no frame rate at all


@dataclass(frozen=True)
class VideoReport:
    """What one pass over the picture found."""

    duration_seconds: float
    """From the first picture to the end of the last one."""
    num_frames: int
    """Decoded pictures, whether asked for or not."""
    undecodable_share: float
    """Share of packets that failed to decode, [0, 1]."""
    notes: tuple[str, ...]
    """What was odd, one line each."""


class _Shown(NamedTuple):
    """A decoded picture and the stretch of time it is shown, in seconds on the video's clock."""

    picture: av.VideoFrame
    start: float
    end: float


class VideoReader:
    """Reads the pictures of one video; each call of `frames_at` is a pass of its own.

    Args:
        path: a video file.
        frame_size: (height, width) that one reused, fast scaler delivers; None for the file's own size.
    """

    def __init__(self, path: str | Path, *, frame_size: tuple[int, int] | None = None) -> None:
        self.path = path
        self.frame_size = frame_size
        self._report: VideoReport | None = None

    @property
    def report(self) -> VideoReport:
        """What the last complete pass found; raises RuntimeError before one is complete."""
        if self._report is None:
            raise RuntimeError("the report is known once frames_at() has been read to its end")
        return self._report

    def frames_at(self, times: Iterable[float]) -> Iterator[NDArray[np.uint8]]:
        """The picture shown at each time: the last one that began at or before it.

        Args:
            times: ascending seconds on the video's clock, whose zero is the first picture; may be endless.

        Yields:
            RGB [H, W, 3] for each time before the picture's end. A picture asked for twice comes as the same array.

        Raises:
            MediaError: the file cannot be opened, holds no picture, or is mostly undecodable.
        """
        self._report = None
        with open_media(self.path) as container:
            stream = picture_stream(container)
            keep_only(container, stream)
            run = _Pass(container, stream)
            yield from run.sample(times, RgbConverter(self.frame_size))
            self._report = run.report(shown(self.path))


class _Pass:
    """One run through the packets of a video."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container = container
        self._stream = stream
        self._count = DecodeCount()
        self._notes: list[str] = []
        self._num_frames = 0
        self._end = 0.0
        tick = float(stream.time_base or 0)
        # Timestamps are rounded to ticks (1 ms in mkv): a picture may claim to begin up to half a tick late.
        self._tolerance = min(tick / 2, 0.0005) + 1e-6

    def sample(self, times: Iterable[float], converter: RgbConverter) -> Iterator[NDArray[np.uint8]]:
        pictures = self._pictures()
        current, following = next(pictures, None), next(pictures, None)
        rgb: NDArray[np.uint8] | None = None
        for time in times:
            while following is not None and following.start <= time + self._tolerance:
                current, following, rgb = following, next(pictures, None), None
            if current is None or (following is None and time >= current.end - self._tolerance):
                break
            if rgb is None:
                rgb = converter.convert(current.picture)
            yield rgb

    def _pictures(self) -> Iterator[_Shown]:
        step = 1.0 / float(self._stream.average_rate or self._stream.guessed_rate or NOMINAL_RATE_HZ)
        time_base = float(self._stream.time_base or 0)
        zero: float | None = None
        if self._stream.start_time is not None:
            zero = self._stream.start_time * time_base
        packets = readable(self._container.demux(self._stream), self._count)
        for picture in decode(packets, self._stream.codec_context, self._count):
            if picture.pts is None:
                start = self._end
            else:
                seconds = picture.pts * time_base
                zero = seconds if zero is None else zero
                start = seconds - zero
            length = picture.duration * time_base if picture.duration else step
            self._num_frames += 1
            self._end = start + length
            yield _Shown(picture, start, self._end)

    def report(self, name: str) -> VideoReport:
        share = self._count.failed_share
        if self._num_frames == 0 or share > MAX_UNDECODABLE_SHARE:
            raise MediaError(
                f"{name} is unreadable: {self._count.num_failed} of {self._count.num_packets} packets of its picture cannot "
                "be decoded; copy or download it again"
            )
        return VideoReport(self._end, self._num_frames, share, tuple(self._notes))
