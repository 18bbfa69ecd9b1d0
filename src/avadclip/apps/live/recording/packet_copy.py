"""One recording: packets copied into a Matroska file, which gets its final name once it is whole."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream


class PacketCopy:
    """One file being written; every method but `abandon` raises OSError, ValueError or FFmpegError if it cannot be.

    Args:
        path: final name.
        picture: index of the video stream.
        until: stream second at which the file is over.
    """

    def __init__(self, path: Path, picture: int, until: float) -> None:
        self.until = until
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._partial = path.with_suffix(".partial.mkv")  # readable, should this process be killed
        self._file = _File(self._partial)
        self._container: OutputContainer = av.open(self._file, "w", format="matroska")
        self._targets: dict[int, Stream] = {}
        self._picture = picture
        self._first: float | None = None
        self._is_empty = True

    def add_streams(self, streams: Sequence[Stream]) -> None:
        """Declare what is copied, before the first packet."""
        for stream in streams:
            self._targets[stream.index] = self._container.add_stream_from_template(stream)

    def is_over(self, packet: "Packet[Any]") -> bool:
        """Whether this packet was the last one."""
        return seconds_of(packet) >= self.until

    def write(self, packet: "Packet[Any]") -> None:
        """Write a packet, from the first key frame on; timestamps begin at 0."""
        if self._first is None:
            if packet.stream_index != self._picture or not packet.is_keyframe:
                return
            self._first = seconds_of(packet)
        own = (packet.stream, packet.pts, packet.dts, packet.duration, packet.time_base)
        shift = round(self._first / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
        packet.stream = self._targets[packet.stream_index]
        try:
            self._container.mux(packet)
            self._is_empty = False
        except av.FFmpegError:
            pass  # a packet with a damaged timestamp costs this packet
        finally:
            packet.stream, packet.pts, packet.dts, packet.duration, packet.time_base = own
        self._file.check()

    def close(self) -> None:
        """Give the file its final name, once it is whole and on disk."""
        if self._is_empty:
            raise ValueError("no key frame came, or no packet could be copied")
        self._container.close()
        self._file.close()
        self._partial.replace(self._path)

    def abandon(self) -> None:
        """Leave what is written under the name of an unfinished file, if it is anything."""
        with suppress(av.FFmpegError):
            self._container.close()
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            if self._is_empty or self._partial.stat().st_size == 0:
                self._partial.unlink()


class _File:
    """File for FFmpeg, whose own ones hide that the disk is full. After its first error it writes nothing more."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        self._attempt(lambda: self._file.write(data))
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._attempt(lambda: self._file.seek(offset, whence))
        return offset

    def tell(self) -> int:
        return self._file.tell()

    def check(self) -> None:
        """Raise the error of an earlier call."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the file, whole and on disk, or raise OSError."""
        self._attempt(self._flush)
        try:
            self._file.close()
        except OSError as error:
            self._error = self._error or error
        self.check()

    def _flush(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def _attempt(self, action: Callable[[], object]) -> None:
        if self._error is None:
            try:
                action()
            except OSError as error:
                self._error = error


def seconds_of(packet: "Packet[Any]") -> float:
    """Stream time at which a packet is decoded."""
    time = packet.dts if packet.dts is not None else packet.pts
    return float((time or 0) * packet.time_base)
