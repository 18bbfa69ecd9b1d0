"""Reader of live sources: RTSP, HTTP, HLS, a webcam, or a file played in real time."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from avadclip.apps.live.live_snippet import LiveSnippet, SnippetCutter
from avadclip.errors import MediaError
from avadclip.media.clock import FORWARD_SECONDS, Clock
from avadclip.media.container import (
    FORMATS,
    MAX_PIXELS,
    check_picture_size,
    keep_only,
    open_media,
    picture_stream,
    shown,
    sound_stream,
)
from avadclip.media.decode import DecodeCount, decode_packet, readable
from avadclip.media.pixels import RgbConverter
from avadclip.media.track import Track
from avadclip.media.video import NOMINAL_RATE_HZ
from avadclip.timeline import SnippetGrid

OPEN_SECONDS, READ_SECONDS = 15.0, 15.0  # timeouts after which a connection counts as lost

# A playlist may refer to other URLs, but never to a file: `file` is in no list.
_NETWORK = {"max_pixels": str(MAX_PIXELS), "analyzeduration": "2000000"}
_RTSP = _NETWORK | {
    "rtsp_transport": "tcp",  # with UDP, packet loss corrupts a whole group of pictures
    "fflags": "nobuffer",
    "protocol_whitelist": "rtsp,rtsps,rtp,srtp,tcp,tls,udp",
    "format_whitelist": "rtsp,sdp,rtp,mpegts",
}
_HTTP = _NETWORK | {
    "protocol_whitelist": "http,https,tcp,tls,crypto,httpproxy",
    "format_whitelist": f"{FORMATS},hls,mpjpeg,aac",
}
_WEBCAM = {"format_whitelist": "video4linux2,v4l2", "protocol_whitelist": "file"}
_OPTIONS = {"rtsp": _RTSP, "rtsps": _RTSP, "http": _HTTP, "https": _HTTP, "webcam": _WEBCAM}


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


PacketTap = Callable[["Packet[Any]"], None]
"""Called with every packet used; timestamps are on the stream's clock, which begins with the first frame."""


@dataclass(frozen=True)
class Opened:
    """Properties of a connected source."""

    width: int
    height: int
    has_sound: bool


def kind_of(source: str) -> str:
    """Classify a source as rtsp, rtsps, http, https, webcam or file; MediaError for any other scheme."""
    scheme, separator, _ = source.partition("://")
    if separator:
        if scheme.lower() not in _OPTIONS:
            raise MediaError(
                f"{without_password(source)}: {scheme}:// is not supported; use rtsp, rtsps, http or https"
            )
        return scheme.lower()
    return "webcam" if re.fullmatch(r"/dev/video\d+", source) else "file"


def without_password(text: str) -> str:
    """Remove user and password from every URL in a text."""
    return re.sub(r"://[^/\s]*@", "://***@", text)


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
        self._is_paced = kind in ("file", "http", "https")  # HLS arrives in bursts; cameras pace themselves
        self._count = DecodeCount()
        self._converter = RgbConverter(options.frame_size)
        self._cutter = SnippetCutter(
            options.grid, options.frame_offsets, options.window_seconds, is_live=not self._is_file
        )
        self._track = None if self.sound is None else Track(float(self.sound.time_base or 0), is_live=True)
        self._clock: Clock | None = None
        self._begun: float | None = None
        self._end = 0.0

    @property
    def opened(self) -> Opened:
        """Frame size, and whether there is audio."""
        context = self.picture.codec_context
        return Opened(context.width, context.height, self.sound is not None)

    @property
    def is_finished(self) -> bool:
        """Whether a recording was played to its end; valid after the last snippet."""
        return self._count.read_error is None and (self._is_file or self._container.duration is not None)

    @property
    def end_reason(self) -> str:
        """Why the stream ended; valid after the last snippet."""
        return self._count.read_error or "the stream ended"

    def snippets(self, tap: PacketTap) -> Iterator[LiveSnippet]:
        """Yield snippets as they arrive, until the stream ends or fails."""
        for packet in readable(self._container.demux(self._streams()), self._count):
            if packet.size == 0 or not self._set_clock(packet):
                continue
            if packet.stream_index == self.picture.index:
                for frame in decode_packet(self.picture.codec_context, packet, self._count):
                    yield from self._show(frame)
            else:
                self._decode_sound(packet)
            tap(packet)
        for frame in decode_packet(self.picture.codec_context, None, self._count):
            yield from self._show(frame)
        yield from self._cutter.finish(self._end, time.time())

    def _streams(self) -> list[VideoStream | AudioStream]:
        return [self.picture] if self.sound is None else [self.picture, self.sound]

    def _set_clock(self, packet: "Packet[Any]") -> bool:
        """Convert a packet to the stream's clock; False for packets before the first frame."""
        is_picture = packet.stream_index == self.picture.index
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

    def _show(self, frame: av.VideoFrame) -> Iterator[LiveSnippet]:
        start = self._end if frame.pts is None else frame.pts * float(self.picture.time_base or 0)
        self._end = start + 1.0 / float(self.picture.average_rate or self.picture.guessed_rate or NOMINAL_RATE_HZ)
        if self._is_paced:
            self._wait_for(start)
        yield from self._cutter.add_picture(start, lambda: self._converter.convert(frame), time.time())

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


@contextmanager
def open_camera(options: CameraOptions) -> Iterator[CameraReader]:
    """Connect to a source.

    Raises:
        MediaError: no answer, an unsupported stream, or no video; the message contains no password.
    """
    kind = kind_of(options.source)
    with open_media(options.source) if kind == "file" else _open_stream(options.source, kind) as container:
        yield CameraReader(container, options)


def _open_stream(source: str, kind: str) -> AbstractContextManager[InputContainer]:
    name = shown(without_password(source))
    try:
        container = av.open(
            source,
            format="v4l2" if kind == "webcam" else None,
            options=_OPTIONS[kind],
            timeout=(OPEN_SECONDS, READ_SECONDS),
            metadata_errors="replace",
        )
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"{name} cannot be opened ({reason}); check the address, and that it plays") from error
    try:
        check_picture_size(container, name)
    except MediaError as error:
        container.close()
        raise MediaError(without_password(str(error))) from error
    return container
