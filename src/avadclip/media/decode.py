"""Decoding packet by packet: one bad packet costs one packet, not the rest of the file."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import av
from av.logging import ERROR, Capture, set_level, set_skip_repeated
from av.packet import Packet

set_level(ERROR)  # many decoders tell their log alone that they filled something in
set_skip_repeated(False)  # a repetition is reported late, among the messages of what is read next
logging.getLogger("libav").addHandler(logging.NullHandler())  # where what is said outside of a Capture goes


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
