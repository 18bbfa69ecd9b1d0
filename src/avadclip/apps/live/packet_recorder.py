"""Keeps the last seconds of a stream's packets, and copies them into a file around an event: nothing is encoded."""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

MAX_HELD_BYTES = 64 * 1024 * 1024  # of packets kept for the time before an event; a minute of 8 Mbit/s


class PacketRecorder:
    """Copies packets into Matroska files, which hold every codec and stay readable when cut off.

    Args:
        streams: to be copied; packets come with timestamps on a common clock.
        held_seconds: how much is kept for the time before an event, from a key frame on.
    """

    def __init__(self, streams: Sequence[Stream], held_seconds: float) -> None:
        self._streams = streams
        self._picture = streams[0].index
        self._held_seconds = held_seconds
        self._held: deque[Packet[Any]] = deque()
        self._held_bytes = 0
        self._files: dict[Path, _Copy] = {}

    def add(self, packet: "Packet[Any]") -> None:
        """Take the next packet."""
        self._held.append(packet)
        self._held_bytes += packet.size
        self._forget()
        for path, copy in list(self._files.items()):
            copy.write(packet)
            if copy.is_over(packet):
                self.finish(path)

    def begin(self, path: Path, seconds: float) -> None:
        """Record into this file what is held and what comes, `seconds` of it at most."""
        if path in self._files or not self._held:
            return
        copy = self._files[path] = _Copy(path, self._streams, _seconds(self._held[-1]) + seconds)
        for packet in self._held:
            copy.write(packet)

    def end(self, path: Path, after_seconds: float) -> None:
        """Record so much more, then finish the file."""
        if path in self._files and self._held:
            copy = self._files[path]
            copy.until = min(copy.until, _seconds(self._held[-1]) + after_seconds)

    def finish(self, path: Path) -> None:
        """Close the file and give it its name."""
        self._files.pop(path).close()

    def close(self) -> None:
        """The stream is over: keep what was recorded of each event."""
        for path in list(self._files):
            self.finish(path)

    def _forget(self) -> None:
        """Drop whole groups of pictures from the front: the file has to begin with a key frame."""
        now = _seconds(self._held[-1])
        while (group := self._first_group()) and (
            now - _seconds(self._held[group]) >= self._held_seconds or self._held_bytes > MAX_HELD_BYTES
        ):
            for _ in range(group):
                self._held_bytes -= self._held.popleft().size
        while self._held_bytes > MAX_HELD_BYTES:
            self._held_bytes -= self._held.popleft().size

    def _first_group(self) -> int:
        """Place of the second key frame held, 0 if there is none: what lies before it can go."""
        places = (i for i, p in enumerate(self._held) if i and p.stream_index == self._picture and p.is_keyframe)
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
        """From the first key frame on; timestamps begin at 0."""
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
