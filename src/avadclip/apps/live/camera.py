"""Reader of live sources: RTSP, HTTP, HLS, a webcam, or a file played in real time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from avadclip.apps.live.key_frame import KeyFrameMaker
from avadclip.apps.live.live_snippet import LONGEST_FREEZE_SECONDS, ClockStep, LiveSnippet, Picture, SnippetCutter
from avadclip.errors import MediaError
from avadclip.media.container import keep_only, open_media, picture_stream, sound_stream
from avadclip.media.decode import DecodeCount, decode_packet, readable
from avadclip.media.pixels import RgbConverter
from avadclip.media.stream import kind_of, open_stream
from avadclip.media.times.clock import FORWARD_SECONDS, Clock
from avadclip.media.times.display_order import DisplayOrder
from avadclip.media.times.frame_rate import NOMINAL_RATE_HZ, stated_rate_hz
from avadclip.media.times.undated import ArrivalClock, RateClock, states_times
from avadclip.media.track import Track
from avadclip.timeline import SnippetGrid

CLOCK_STEP_SECONDS = 10.0  # a clock set by more makes a camera's times useless: the next connection has new ones


@dataclass(frozen=True)
class CameraOptions:
    """Source to read, and the encoders' needs."""

    source: str
    grid: SnippetGrid
    frame_offsets: tuple[int, ...]
    frame_size: tuple[int, int] | None
    window_seconds: float | None
    """None: audio is not read."""
    speed: float = 1.0
    """Playback speed of files."""
    takes_pictures: bool = False
    """Whether every snippet comes with a JPEG."""


class _Good(NamedTuple):
    """A picture that was decoded on demand."""

    start: float
    picture: Picture
    frame: VideoFrame


PacketTap = Callable[["Packet[Any]"], None]
"""Called with every packet used; timestamps are on the stream's clock, which begins with the first frame."""


@dataclass(frozen=True)
class Opened:
    """Properties of a connected source."""

    width: int
    height: int
    has_sound: bool
    note: str | None = None
    """How pictures are dated, if the source has no times."""


class CameraReader:
    """One connection to a source; `opened` has its properties."""

    def __init__(self, container: InputContainer, options: CameraOptions) -> None:
        self._container = container
        self._options = options
        self.picture: VideoStream = picture_stream(container)
        self.sound: AudioStream | None = None if options.window_seconds is None else sound_stream(container)
        keep_only(container, *self._streams())
        kind = kind_of(options.source)
        self._is_file = kind == "file"
        self._undated = None if states_times(container) else self._make_clock()
        # HLS arrives in bursts; cameras pace themselves.
        self._is_paced = kind in ("file", "http", "https") and not isinstance(self._undated, ArrivalClock)
        is_reordered = self._is_file and self._undated is None and self.picture.codec_context.has_b_frames
        self._order = DisplayOrder(is_reordered=is_reordered, begins_at=0)
        self._count = DecodeCount()
        self._converter = RgbConverter(options.frame_size)
        self._key_frames = KeyFrameMaker() if options.takes_pictures else None
        self._cutter = SnippetCutter(
            options.grid,
            options.frame_offsets,
            options.window_seconds,
            is_live=not self._is_file,
            speed=options.speed if self._is_file else 1.0,
        )
        self._track = None if self.sound is None else Track(float(self.sound.time_base or 0), is_live=True)
        self._clock: Clock | None = None
        self._clock_step = ClockStep()
        self._begun: float | None = None
        self._end = 0.0
        self._good: _Good | None = None  # last picture decoded on demand

    @property
    def opened(self) -> Opened:
        """Frame size, whether there is audio, and how pictures are dated."""
        context = self.picture.codec_context
        note = None if self._undated is None else self._undated.note
        return Opened(context.width, context.height, self.sound is not None, note)

    @property
    def is_finished(self) -> bool:
        """Whether a recording was played to its end; valid after the last snippet."""
        is_recording = self._is_file or self._container.duration is not None or isinstance(self._undated, RateClock)
        return self._count.read_error is None and is_recording

    @property
    def end_reason(self) -> str:
        """Why the stream ended; valid after the last snippet."""
        return self._count.read_error or "the stream ended"

    def snippets(self, tap: PacketTap) -> Iterator[LiveSnippet]:
        """Yield snippets as they arrive, until the stream ends or fails; MediaError if this machine's clock is set."""
        for packet in readable(self._container.demux(self._streams()), self._count):
            if packet.size == 0 or not self._set_clock(packet):
                continue
            if not self._is_file and abs(self._clock_step.seconds) > CLOCK_STEP_SECONDS:
                raise MediaError("this machine's clock was set; the camera is connected anew")
            if packet.stream_index == self.picture.index:
                yield from self._show_packet(packet)
            else:
                self._decode_sound(packet)
            tap(packet)
        for frame in decode_packet(self.picture.codec_context, None, self._count):
            yield from self._show_frame(frame)
        yield from self._cutter.finish(self._end)

    def _make_clock(self) -> ArrivalClock | RateClock:
        """Clock of a source without times: of unknown length it is live, and each picture comes when it happens."""
        if not self._is_file and self._container.size < 0:
            return ArrivalClock()
        return RateClock(self._rate_hz)

    @property
    def _rate_hz(self) -> float:
        return stated_rate_hz(self.picture) or NOMINAL_RATE_HZ

    def _streams(self) -> list[VideoStream | AudioStream]:
        return [self.picture] if self.sound is None else [self.picture, self.sound]

    def _set_clock(self, packet: "Packet[Any]") -> bool:
        """Convert a packet to the stream's clock; False for packets before the first frame."""
        is_picture = packet.stream_index == self.picture.index
        if self._undated is not None:
            self._undated.set_picture(packet)
            return is_picture
        if self._clock is None:
            start = packet.dts if packet.pts is None else packet.pts
            if not is_picture or start is None:
                return False
            self._clock = Clock(self.picture, float(start * packet.time_base), longest_pause=FORWARD_SECONDS)
        if is_picture:
            self._clock.set_picture(packet)
        else:
            self._clock.set_sound(packet, wait=False)
        return True

    def _show_packet(self, packet: "Packet[Any]") -> Iterator[LiveSnippet]:
        """Show the frames of a packet; if the codec has key frames only, none is decoded that no snippet samples."""
        if self.picture.codec_context.codec.intra_only:
            yield from self._show(packet.pts, partial(self._picture_of, packet), self._draw_good)
            return
        self._order.look_at(packet)
        for taken in self._order.follow([packet]):
            for frame in decode_packet(self.picture.codec_context, taken, self._count):
                yield from self._show_frame(frame)

    def _show_frame(self, frame: VideoFrame) -> Iterator[LiveSnippet]:
        convert, draw = partial(self._converter.convert, frame), partial(self._draw, frame)
        yield from self._show(self._order.start_of(frame), convert, draw)

    def _show(
        self, pts: int | None, convert: Callable[[], Picture | None], draw: Callable[[], bytes | None]
    ) -> Iterator[LiveSnippet]:
        start = self._start(pts)
        # How long a picture lasts that is dated by arrival, only the next one tells.
        self._end = start if isinstance(self._undated, ArrivalClock) else start + 1.0 / self._rate_hz
        if self._is_paced:
            self._wait_for(start)
        yield from self._cutter.add_picture(start, convert, time.time(), draw)

    def _start(self, pts: int | None) -> float:
        """Time at which a frame is displayed."""
        if isinstance(self._undated, ArrivalClock):
            return self._undated.now
        # Packets of a recording without times come in decoding order, frames in display order.
        return self._end if pts is None or self._undated is not None else pts * float(self.picture.time_base or 0)

    def _picture_of(self, packet: "Packet[Any]") -> Picture | None:
        """Decode a picture on demand; for a damaged one the last good one stands in, as long as a freeze may last."""
        start = float((packet.dts or 0) * packet.time_base)
        for frame in decode_packet(self.picture.codec_context, packet, self._count):
            self._good = _Good(start, self._converter.convert(frame), frame)
        if self._good is None or start - self._good.start > LONGEST_FREEZE_SECONDS:
            return None
        return self._good.picture

    def _draw(self, frame: VideoFrame) -> bytes | None:
        return None if self._key_frames is None else self._key_frames.jpeg(frame)

    def _draw_good(self) -> bytes | None:
        return None if self._good is None else self._draw(self._good.frame)

    def _decode_sound(self, packet: "Packet[Any]") -> None:
        assert self.sound is not None
        assert self._track is not None
        for frame in decode_packet(self.sound.codec_context, packet, self._count):
            for block in self._track.add(frame):
                self._cutter.add_sound(block)

    def _wait_for(self, seconds: float) -> None:
        now = time.monotonic()
        if self._begun is None:
            self._begun = now - seconds / self._options.speed
        time.sleep(max(self._begun + seconds / self._options.speed - now, 0.0))


def check_source(source: str) -> None:
    """Check what can be checked without a connection: a file is a video, a webcam is plugged in, a scheme is known.

    Raises:
        MediaError: it can never be watched, or not now; network cameras are waited for instead.
    """
    kind = kind_of(source)
    if kind == "file":
        with open_media(source):
            pass
    elif kind == "webcam" and not Path(source).exists():
        raise MediaError(f"{source} does not exist; plug the webcam in, or choose one from /dev/video*")


@contextmanager
def open_camera(options: CameraOptions) -> Iterator[CameraReader]:
    """Connect to a source.

    Raises:
        MediaError: no answer, an unsupported stream, or no video; the message contains no password.
    """
    kind = kind_of(options.source)
    with open_media(options.source) if kind == "file" else open_stream(options.source, kind) as container:
        yield CameraReader(container, options)
