"""Recorder of a stream's packets around events, with a buffer of the last seconds; nothing is re-encoded."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.packet import Packet
from av.stream import Stream

from avadclip.apps.live.recording.packet_copy import PacketCopy, seconds_of

MAX_BUFFER_BYTES = 64 * 1024 * 1024  # of the packet buffer; a minute of 8 Mbit/s


class PacketRecorder:
    """Writer of packets to Matroska files, which support every codec and stay readable when cut off.

    Args:
        streams: streams to copy; packets have timestamps on a common clock.
        buffer_seconds: length of the buffer for the time before an event; it begins with a key frame.
        report: called with the path and the reason where a file cannot be written whole; it gets no final name then.
    """

    def __init__(self, streams: Sequence[Stream], buffer_seconds: float, report: Callable[[Path, str], None]) -> None:
        self._streams = streams
        self._picture = streams[0].index
        self._buffer_seconds = buffer_seconds
        self._buffer: deque[Packet[Any]] = deque()
        self._buffer_bytes = 0
        self._report = report
        self._files: dict[Path, PacketCopy] = {}

    def add(self, packet: "Packet[Any]") -> None:
        """Add the next packet."""
        self._buffer.append(packet)
        self._buffer_bytes += packet.size
        self._forget()
        for path, copy in list(self._files.items()):
            with self._reporting(path):
                copy.write(packet)
            if path in self._files and copy.is_over(packet):
                self.finish(path)

    def begin(self, path: Path, seconds: float) -> None:
        """Record the buffered and the following packets into a file, for at most `seconds`."""
        if path in self._files or not self._buffer:
            return
        with self._reporting(path):
            copy = self._files[path] = PacketCopy(path, self._picture, seconds_of(self._buffer[-1]) + seconds)
            copy.add_streams(self._streams)
            for packet in self._buffer:
                copy.write(packet)

    def end(self, path: Path, after_seconds: float) -> None:
        """Record for `after_seconds` more, then finish the file."""
        if path in self._files and self._buffer:
            copy = self._files[path]
            copy.until = min(copy.until, seconds_of(self._buffer[-1]) + after_seconds)

    def finish(self, path: Path) -> None:
        """Close the file and rename it to its final name."""
        with self._reporting(path):
            self._files[path].close()
            del self._files[path]

    def close(self) -> None:
        """Finish all recordings at the end of the stream."""
        for path in list(self._files):
            self.finish(path)

    @contextmanager
    def _reporting(self, path: Path) -> Iterator[None]:
        """Report a failure and give the file up; the stream goes on."""
        try:
            yield
        except (OSError, ValueError, av.FFmpegError) as error:  # ValueError: a codec that Matroska lacks
            if copy := self._files.pop(path, None):
                copy.abandon()
            self._report(path, getattr(error, "strerror", None) or str(error))

    def _forget(self) -> None:
        """Drop whole groups of pictures from the front of the buffer: a file must begin with a key frame."""
        now = seconds_of(self._buffer[-1])
        while (group := self._first_group()) and (
            now - seconds_of(self._buffer[group]) >= self._buffer_seconds or self._buffer_bytes > MAX_BUFFER_BYTES
        ):
            for _ in range(group):
                self._buffer_bytes -= self._buffer.popleft().size
        while self._buffer_bytes > MAX_BUFFER_BYTES:
            self._buffer_bytes -= self._buffer.popleft().size

    def _first_group(self) -> int:
        """Index of the second key frame in the buffer, 0 if there is none; packets before it can be dropped."""
        places = (i for i, p in enumerate(self._buffer) if i and p.stream_index == self._picture and p.is_keyframe)
        return next(places, 0)
