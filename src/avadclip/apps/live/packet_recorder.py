"""Recorder of a stream's packets around events, with a buffer of the last seconds; nothing is re-encoded."""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

MAX_BUFFER_BYTES = 64 * 1024 * 1024  # of the packet buffer; a minute of 8 Mbit/s


class PacketRecorder:
    """Writer of packets to Matroska files, which support every codec and stay readable when cut off.

    Args:
        streams: streams to copy; packets have timestamps on a common clock.
        buffer_seconds: length of the buffer for the time before an event; it begins with a key frame.
    """

    def __init__(self, streams: Sequence[Stream], buffer_seconds: float) -> None:
        self._streams = streams
        self._picture = streams[0].index
        self._buffer_seconds = buffer_seconds
        self._buffer: deque[Packet[Any]] = deque()
        self._buffer_bytes = 0
        self._files: dict[Path, _Copy] = {}

    def add(self, packet: "Packet[Any]") -> None:
        """Add the next packet."""
        self._buffer.append(packet)
        self._buffer_bytes += packet.size
        self._forget()
        for path, copy in list(self._files.items()):
            copy.write(packet)
            if copy.is_over(packet):
                self.finish(path)

    def begin(self, path: Path, seconds: float) -> None:
        """Record the buffered and the following packets into a file, for at most `seconds`."""
        if path in self._files or not self._buffer:
            return
        copy = self._files[path] = _Copy(path, self._streams, _seconds(self._buffer[-1]) + seconds)
        for packet in self._buffer:
            copy.write(packet)

    def end(self, path: Path, after_seconds: float) -> None:
        """Record for `after_seconds` more, then finish the file."""
        if path in self._files and self._buffer:
            copy = self._files[path]
            copy.until = min(copy.until, _seconds(self._buffer[-1]) + after_seconds)

    def finish(self, path: Path) -> None:
        """Close the file and rename it to its final name."""
        self._files.pop(path).close()

    def close(self) -> None:
        """Finish all recordings at the end of the stream."""
        for path in list(self._files):
            self.finish(path)

    def _forget(self) -> None:
        """Drop whole groups of pictures from the front of the buffer: a file must begin with a key frame."""
        now = _seconds(self._buffer[-1])
        while (group := self._first_group()) and (
            now - _seconds(self._buffer[group]) >= self._buffer_seconds or self._buffer_bytes > MAX_BUFFER_BYTES
        ):
            for _ in range(group):
                self._buffer_bytes -= self._buffer.popleft().size
        while self._buffer_bytes > MAX_BUFFER_BYTES:
            self._buffer_bytes -= self._buffer.popleft().size

    def _first_group(self) -> int:
        """Index of the second key frame in the buffer, 0 if there is none; packets before it can be dropped."""
        places = (i for i, p in enumerate(self._buffer) if i and p.stream_index == self._picture and p.is_keyframe)
        return next(places, 0)


class _Copy:
    """One file being written."""

    def __init__(self, path: Path, streams: Sequence[Stream], until: float) -> None:
        self.until = until
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._partial = path.with_suffix(".partial.mkv")  # readable, should this process be killed
        self._container: OutputContainer = av.open(str(self._partial), "w", format="matroska")
        self._targets = {stream.index: self._container.add_stream_from_template(stream) for stream in streams}
        self._picture = streams[0].index
        self._first: float | None = None

    def is_over(self, packet: "Packet[Any]") -> bool:
        return _seconds(packet) >= self.until

    def write(self, packet: "Packet[Any]") -> None:
        """Write a packet, from the first key frame on; timestamps begin at 0."""
        if self._first is None:
            if packet.stream_index != self._picture or not packet.is_keyframe:
                return
            self._first = _seconds(packet)
        own = (packet.stream, packet.pts, packet.dts, packet.duration, packet.time_base)
        shift = round(self._first / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
        packet.stream = self._targets[packet.stream_index]
        with suppress(av.FFmpegError):  # a packet with a damaged timestamp costs this packet
            self._container.mux(packet)
        packet.stream, packet.pts, packet.dts, packet.duration, packet.time_base = own

    def close(self) -> None:
        with suppress(av.FFmpegError):
            self._container.close()
        self._partial.replace(self._path)


def _seconds(packet: "Packet[Any]") -> float:
    time = packet.dts if packet.dts is not None else packet.pts
    return float((time or 0) * packet.time_base)
