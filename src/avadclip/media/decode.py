"""Decoding packet by packet: one bad packet costs one packet, not the rest of the file.

The codec of a stream may change in the middle, as in transport streams that were joined.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import av
from av.codec import CodecContext
from av.container import InputContainer
from av.logging import ERROR, Capture, set_level, set_skip_repeated
from av.packet import Packet
from av.stream import Stream

from avadclip.media.times.clock import may_jump

set_level(ERROR)  # many decoders tell their log alone that they filled something in
set_skip_repeated(False)  # a repetition is reported late, among the messages of what is read next
logging.getLogger("libav").addHandler(logging.NullHandler())  # where what is said outside of a Capture goes

PATIENCE = 12  # packets that fail, without a good frame, before another codec is tried
MAX_FRUITLESS = 64  # packets without a good frame, failed or not; decoders hold back 16, and others are left out
HELD_BACK = 16  # packets of the new codec that may come before the old one's last frames, its key frame among them
CANDIDATES = {"video": ("h264", "hevc", "mpeg2video", "mpeg4"), "audio": ("aac", "mp2", "ac3", "eac3")}
"""What broadcasters and recorders put into transport streams."""


@dataclass
class DecodeCount:
    """Counts of decoded and failed packets of one stream in one pass."""

    num_packets: int = 0
    num_failed: int = 0
    num_complaints: int = 0
    """Packets that were decoded, but whose decoder logged an error."""
    first_complaint: str = ""
    container_complaint: str = ""
    """What reading the file logged first, before any decoding."""
    read_error: str | None = None
    """Why reading stopped before the file's end, if it did."""

    def complaint(self, kind: str) -> str | None:
        """A note on what only the decoder's log says; `kind` is `video` or `audio`."""
        if not self.num_complaints:
            return None
        packets = f"{self.num_complaints} of {self.num_packets} {kind} packets"
        return f"the decoder found errors in {packets}, the first one: {self.first_complaint}"

    @property
    def failed_share(self) -> float:
        """Share of packets that could not be decoded, 0 without packets."""
        return self.num_failed / max(self.num_packets, 1)


def readable(packets: "Iterable[Packet[Any]]", count: DecodeCount) -> "Iterator[Packet[Any]]":
    """Yield packets until the end of the file or the first read error, which is stored in `count`."""
    iterator = iter(packets)
    try:
        while (packet := _next_packet(iterator, count)) is not None:
            yield packet
    except IndexError:
        return  # PyAV 18.1 at the end of a file in which a stream turned up midway; every packet has been given
    except (av.FFmpegError, ValueError) as error:
        count.read_error = getattr(error, "strerror", None) or str(error)


def _next_packet(packets: "Iterator[Packet[Any]]", count: DecodeCount) -> "Packet[Any] | None":
    with Capture() as log:
        packet = next(packets, None)
    if log and not count.container_complaint:
        count.container_complaint = log[0][2].strip()
    return packet


def decode(packets: "Iterable[Packet[Any]]", codec_context: Any, count: DecodeCount) -> Iterator[Any]:
    """Yield the frames of one stream in display order; the decoder is always flushed at the end."""
    for packet in packets:
        if packet.size == 0:  # the demuxer's own flush packet; ours comes below, also after a read error
            continue
        count.num_packets += 1
        yield from decode_packet(codec_context, packet, count)
    yield from decode_packet(codec_context, None, count)


def decode_packet(codec_context: Any, packet: "Packet[Any] | None", count: DecodeCount) -> list[Any]:
    """Decode one packet into the frames it completes; None flushes the decoder."""
    with Capture() as log:
        try:
            frames = list(codec_context.decode(packet))
        except av.FFmpegError:
            count.num_failed += packet is not None
            return []
    if log:
        count.num_complaints += 1
        count.first_complaint = count.first_complaint or log[0][2].strip()
    return frames


class ChangingDecoder:
    """Decoder of one stream; where it fails for long, the codec that decodes most of the packets takes over.

    Args:
        stream: of a container that stays open while packets come.
        count: takes the packets, and the failed ones.
    """

    def __init__(self, stream: Stream, count: DecodeCount) -> None:
        self.changes: list[str] = []
        """One line for each."""
        self._kind = stream.type
        self._may_change = isinstance(stream.container, InputContainer) and may_jump(stream.container)
        self._context: Any = stream.codec_context
        self._count = count
        self._recent: list[Packet[Any]] = []  # since the last frame, and HELD_BACK before it
        self._num_failed = 0  # since the last frame

    def run(self, packets: "Iterable[Packet[Any]]") -> Iterator[Any]:
        """Yield the frames of all packets in display order, and flush the decoder at the end."""
        for packet in packets:
            if packet.size:  # the demuxer's own flush packet has none
                yield from self.decode(packet)
        yield from self.flush()

    def decode(self, packet: "Packet[Any]") -> list[Any]:
        """Decode one packet into the frames it completes."""
        self._count.num_packets += 1
        num_failed = self._count.num_failed
        frames = decode_packet(self._context, packet, self._count)
        if not self._may_change:
            return frames
        self._recent.append(packet)
        self._num_failed += self._count.num_failed - num_failed
        is_fruitless = self._num_failed == PATIENCE or len(self._recent) == MAX_FRUITLESS + HELD_BACK
        if is_fruitless:
            frames += self._try_others()
        if is_fruitless or _good(frames):
            del self._recent[:-HELD_BACK]
            self._num_failed = 0
        return frames

    def flush(self) -> list[Any]:
        """The frames that the decoder still holds."""
        return decode_packet(self._context, None, self._count)

    def _try_others(self) -> list[Any]:
        best: tuple[Any, list[Any]] = None, []
        for name in CANDIDATES.get(self._kind, ()):
            if name != self._context.name:
                context, count = CodecContext.create(name, "r"), DecodeCount()
                frames = [frame for packet in self._recent for frame in decode_packet(context, packet, count)]
                if len(_good(frames)) > len(_good(best[1])):
                    best = context, frames
        context, frames = best
        if context is None:
            return []
        since = self._recent[HELD_BACK:] or self._recent
        seconds = next((float(each.dts * each.time_base) for each in since if each.dts is not None), 0.0)
        names = f"{self._context.name} to {context.name}"
        self.changes.append(f"the {self._kind} codec changes near {seconds:.1f} s: {names}")
        self._count.num_failed -= self._num_failed
        self._context = context
        return frames


def _good(frames: list[Any]) -> list[Any]:
    return [frame for frame in frames if not frame.is_corrupt]
