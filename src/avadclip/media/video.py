"""Video frames at requested times, decoded in one pass over the file.

Decoding has a thread of its own; frames are converted to RGB in the caller's.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.stream import Stream
from numpy.typing import NDArray

from avadclip.errors import MediaError
from avadclip.media.ahead import ahead
from avadclip.media.audio import MAX_REST_SECONDS
from avadclip.media.container import (
    header_seconds,
    keep_only,
    lacks_bytes,
    open_media,
    picture_stream,
    readable_or_refused,
    shown,
    sound_stream,
    what_is_unread,
)
from avadclip.media.decode import ChangingDecoder, DecodeCount, readable
from avadclip.media.listener import SoundListener, SoundPass
from avadclip.media.pixels import RgbConverter
from avadclip.media.probe import MediaFile
from avadclip.media.skipping import RequestedTimes, skip_unread
from avadclip.media.times.clock import LONGEST_PAUSE_SECONDS, Clock, longest_pause, may_jump
from avadclip.media.times.display_order import DisplayOrder
from avadclip.media.times.frame_rate import NOMINAL_RATE_HZ
from avadclip.media.times.holes import Holes

DECODED_WAITING = 4  # frames; 12 MB each in 4K
MAX_UNDECODABLE_SHARE = 0.5  # of the packets; above it the picture is more guess than video
MAX_DISORDERED = 2  # frames no later than the one before, as rounding and edit lists make them
SEEK_MARGIN_SECONDS = 2.0  # an index may count in decoding order, some pictures ahead of the order of showing
MISSING_SECONDS = 0.1  # a picture that begins this late, or ends so much before the header's duration, is noted
# What a few kilobytes of timestamps may claim: features of 25 hours are 1.4 GB with `lite`.
MAX_SECONDS = 25 * 3600.0  # a day, and what a recorder adds to it
STILL_SECONDS = 60.0  # a frame displayed for longer counts as still
MAX_STILL_SECONDS = 3 * 3600.0  # in total; a slide may be shown for minutes, but a recording is not still for hours


@dataclass(frozen=True)
class VideoReport:
    """Findings of one pass over the video stream."""

    duration_seconds: float
    """From the first picture to the end of the last one."""
    num_frames: int
    """Decoded frames; non-reference frames that no requested time samples may be skipped."""
    undecodable_share: float
    """Share of packets that failed to decode, [0, 1]."""
    given_seconds: tuple[float, float] | None
    """Start times of the first and the last returned frame; None if no frame was returned."""
    notes: tuple[str, ...]
    """Irregularities, one line each."""


class _Shown(NamedTuple):
    """A decoded frame and the interval it is displayed, in seconds on the video's clock."""

    picture: av.VideoFrame
    start: float
    end: float


class VideoReader:
    """Reader of one video's frames; each call of `frames_at` is a new pass over the file.

    Rotation flags are applied. Interlaced frames stay interlaced and HDR is not tone-mapped; the report notes both.

    Args:
        path: a video file, or what MediaFile.open returned for it.
        frame_size: (height, width) that one reused, fast scaler delivers; None for the file's own size.
        skip_to_seconds: no earlier time will be requested; reading begins at a key picture ahead of it, if the file
            can be entered there. Time 0 gives that key picture. Whether the pictures are those of a pass from the start
            is for the caller to check.
        listener: receives the file's sound in the same pass, which then needs to be one from the start.
    """

    def __init__(
        self,
        path: str | Path | MediaFile,
        *,
        frame_size: tuple[int, int] | None = None,
        skip_to_seconds: float = 0.0,
        listener: SoundListener | None = None,
    ) -> None:
        self.media = MediaFile.open(path)
        self.frame_size = frame_size
        self.skip_to_seconds = skip_to_seconds
        self._listener = listener
        self._report: VideoReport | None = None

    @property
    def report(self) -> VideoReport:
        """Findings of the last complete pass; RuntimeError before the first one is complete."""
        if self._report is None:
            raise RuntimeError("the report is known once frames_at() has been read to its end")
        return self._report

    def frames_at(self, times: Iterable[float]) -> Iterator[NDArray[np.uint8]]:
        """Yield the frame displayed at each time: the last one that began at or before it.

        Args:
            times: ascending seconds on the video's clock, whose zero is the first picture; may be endless. Where they
                end before the picture does, the rest is not read, and the report is about what was.

        Yields:
            RGB [H, W, 3] for each time before the video's end. A frame sampled twice is the same array object.

        Raises:
            MediaError: the file cannot be opened, holds no picture, or is mostly undecodable.
        """
        self._report = None
        path = self.media.path
        with open_media(path) as container:
            run, converter = _Pass(container, self.media, self._listener), RgbConverter(self.frame_size)
            with readable_or_refused(path):
                if self.skip_to_seconds > SEEK_MARGIN_SECONDS:
                    run.skip_to(self.media.zero_seconds + self.skip_to_seconds - SEEK_MARGIN_SECONDS)
                with ahead(run.sample(times), DECODED_WAITING) as pictures:
                    yield from _converted(pictures, converter)
            self._report = run.report(converter.notes())


def _converted(pictures: Iterable[av.VideoFrame], converter: RgbConverter) -> Iterator[NDArray[np.uint8]]:
    """A repeated picture gives the same array object."""
    last: av.VideoFrame | None = None
    for picture in pictures:
        if picture is not last:
            last, rgb = picture, converter.convert(picture)
        yield rgb


class _Pass:
    """One pass over the packets of a video."""

    def __init__(
        self,
        container: InputContainer,
        media: MediaFile,
        listener: SoundListener | None,
    ) -> None:
        stream, zero, rate_hz = picture_stream(container), media.zero_seconds, media.info.frame_rate_hz
        self._name = shown(media.path)
        self._zero = zero
        self._delay = round(media.delay_seconds / (stream.time_base or 1))
        self._container = container
        self._stream = stream
        self._clock = Clock(stream, zero, longest_pause=longest_pause(container, stream))
        self._streams: list[Stream] = [stream]
        self._sound: SoundPass | None = None
        sound = None if listener is None else sound_stream(container, media.sound_index)
        if listener is not None and sound is not None:
            self._streams.append(sound)
            self._sound = listener.begin(sound, self._clock)
        keep_only(container, *self._streams)
        self._count = DecodeCount()
        self._is_reordered = stream.codec_context.has_b_frames and not may_jump(
            container
        )  # those have times of display
        self._decoder = ChangingDecoder(stream, self._count)
        self._order = DisplayOrder(is_reordered=self._is_reordered, begins_at=0)
        self._read_bytes = 0
        self._rate_hz = rate_hz if rate_hz * STILL_SECONDS >= 1 else NOMINAL_RATE_HZ
        self._holes = Holes(1.0 / self._rate_hz)
        self._tick = float(stream.time_base or 0)
        self._num_frames = 0
        self._num_without_time = 0
        self._num_corrupt = 0
        self._num_back = 0
        self._start = 0.0
        self._still_seconds = 0.0
        self._first = 0.0
        self._end = 0.0
        self._given: tuple[float, float] | None = None
        self._from_start = True
        self._complete = False

    def skip_to(self, seconds: float) -> None:
        """Seek to the last key frame before a time on the file's own clock."""
        self._container.seek(round(seconds / self._tick), stream=self._stream)
        self._order = DisplayOrder(is_reordered=self._is_reordered, begins_at=None)
        self._from_start = False

    def sample(self, times: Iterable[float]) -> Iterator[av.VideoFrame]:
        """The picture displayed at each time."""
        # Timestamps are rounded to ticks (1 ms in mkv): a picture may claim to begin up to half a tick late.
        tolerance = min(self._tick / 2, 0.0005) + 1e-6
        times, copy = itertools.tee(times)
        pictures = self._pictures(RequestedTimes(time + tolerance for time in copy))
        current, following = next(pictures, None), next(pictures, None)
        for time in times:
            while following is not None and following.start <= time + tolerance:
                current, following = following, next(pictures, None)
            if current is None or (following is None and time >= current.end - tolerance):
                break
            self._given = (self._given or (current.start,))[0], current.start
            yield current.picture

    def _pictures(self, requested: RequestedTimes) -> Iterator[_Shown]:
        context = self._stream.codec_context
        packets = skip_unread(self._packets(), context, requested, self._order)
        for picture in self._decoder.run(self._order.follow(packets)):
            ticks = self._order.start_of(picture)
            if ticks is None:
                self._num_without_time += 1
                start = self._end
            else:
                start = ticks * self._tick
            self._num_back += self._num_frames > 0 and start < self._start - self._tick
            self._start = start
            seconds = (picture.duration or 0) * self._tick
            is_timed = self._order.has_presentation_times and not self._delay
            if not is_timed or not 0 < seconds < LONGEST_PAUSE_SECONDS:
                seconds = 1.0 / self._rate_hz
            self._first = start if self._num_frames == 0 else self._first
            if self._num_frames > 0 or self._from_start:
                self._still_seconds += max(start - self._end - STILL_SECONDS, 0.0)
            self._num_frames += 1
            self._num_corrupt += picture.is_corrupt
            self._end = start + seconds
            self._check_length()
            yield _Shown(picture, start, self._end)
        self._complete = True

    def _check_length(self) -> None:
        if self._end > MAX_SECONDS:
            raise MediaError(
                f"{self._name} is longer than {MAX_SECONDS / 3600:g} hours by its timestamps; cut it into shorter files"
            )
        if self._still_seconds > MAX_STILL_SECONDS:
            raise MediaError(
                f"{self._name} has {self._num_frames} frames that stand still for more than "
                f"{MAX_STILL_SECONDS / 3600:g} hours in total; check its timestamps, or cut out the parts with motion"
            )

    def _packets(self) -> "Iterator[av.Packet[Any]]":
        for packet in readable(self._container.demux(self._streams), self._count):
            self._read_bytes = max(self._read_bytes, (packet.pos or 0) + packet.size)
            if packet.stream_index != self._stream.index:
                self._add_sound(packet)
                continue
            self._clock.set_picture(packet)
            if self._delay and packet.pts is not None:
                packet.pts = packet.pts - self._delay if self._stream.codec_context.has_b_frames else packet.dts
            self._order.look_at(packet)
            self._holes.add(packet)
            if self._sound is not None:
                self._sound.decode_ready()
            yield packet
        if self._sound is None:
            return
        if self._count.read_error is None:
            self._sound.finish()
            return
        # What cannot be read may be the sound: the picture goes on alone, and the sound gets a pass of its own.
        self._sound, self._count.read_error, self._streams = None, None, [self._stream]
        keep_only(self._container, self._stream)
        yield from self._packets()

    def _add_sound(self, packet: "av.Packet[Any]") -> None:
        """Pass a packet of the sound on, until it runs so far ahead that it gets a pass of its own, which ends."""
        if self._sound is None:
            return
        if packet.dts is not None and packet.dts * packet.time_base - self._zero - self._end > MAX_REST_SECONDS:
            self._sound = None
            return
        self._sound.add(packet)

    @property
    def _tolerance(self) -> float:
        return max(MISSING_SECONDS, 1.5 / self._rate_hz)

    def report(self, of_conversion: Iterable[str]) -> VideoReport:
        """Findings; `of_conversion`: notes of the converter."""
        share = self._count.failed_share
        if self._num_frames == 0 or share > MAX_UNDECODABLE_SHARE:
            raise MediaError(
                f"{self._name} is unreadable: {self._count.num_failed} of {self._count.num_packets} video "
                f"packets failed, {self._num_frames} frames were decoded; copy or download it again"
            )
        return VideoReport(self._end, self._num_frames, share, self._given, notes=(*self._notes(), *of_conversion))

    def _notes(self) -> Iterator[str]:
        yield from self._notes_on_the_ends()
        yield from self._notes_on_losses()
        yield from self._notes_on_times()

    def _notes_on_the_ends(self) -> Iterator[str]:
        header = header_seconds(self._container, self._stream)
        if self._complete and header is not None and not self._clock.num_jumps:  # a header counts what a clock jumped
            stated = f"{self._end:.2f} s, the header states {header:.2f} s"
            if header - self._end > self._tolerance:
                yield f"video ends at {stated}: cut off, or only audio continues"
            if self._end - header > self._tolerance:
                yield f"video goes on until {stated}: joined, or still being written"
        unread = what_is_unread(self._container, self._read_bytes) if self._complete else None
        if unread is not None:
            yield unread
        if self._count.read_error:
            yield f"reading stopped early: {self._count.read_error}"
        if self._count.container_complaint:
            yield f"the container has errors, the first one: {self._count.container_complaint}"
        if lacks_bytes(self._container):
            yield "the file is shorter than its header states: cut off"
        if self._from_start and self._first > self._tolerance:
            yield f"first decodable frame at {self._first:.2f} s; it is also used for the time before"

    def _notes_on_losses(self) -> Iterator[str]:
        yield from self._decoder.changes
        failed, packets = self._count.num_failed, self._count.num_packets
        if failed:
            lost = f"{failed / self._rate_hz:.2f} s"
            yield f"{failed} of {packets} video packets ({lost}) could not be decoded; other frames stand in"
        if self._num_corrupt:
            seconds = self._num_corrupt / self._rate_hz
            yield f"damaged frames: {self._num_corrupt} ({seconds:.2f} s); the decoder concealed the missing parts"
        complaint = self._count.complaint("video")
        if complaint is not None and self._from_start:  # inside a file, earlier frames are missing at first
            yield complaint
        if self._holes.num_damaged:
            yield f"{self._holes.num_damaged} video packets are incomplete"
        if self._holes.num:
            places = "1 place" if self._holes.num == 1 else f"{self._holes.num} places"
            yield f"no new frame for {self._holes.seconds:.2f} s, in {places}: frames are missing, or their rate varies"

    def _notes_on_times(self) -> Iterator[str]:
        if self._clock.num_jumps:
            yield f"timestamps restart {self._clock.num_jumps} times (joined file?); times continue across the restarts"
        if max(self._num_back, self._holes.num_standing) > MAX_DISORDERED:
            numbers = f"{self._num_back} frames go back in time, {self._holes.num_standing} stand still"
            yield f"timestamps are out of order: {numbers}"
        if self._order.num_moved:
            yield "the file has no times of display; rebuilt from the order of decoding, up to some frames off"
        if self._num_without_time:
            yield f"{self._num_without_time} frames without timestamps, placed at {self._rate_hz:g} frames/s"
