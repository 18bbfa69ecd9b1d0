"""Decoding of a stream whose codec changes in the middle, as in transport streams that were joined."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from av.codec import CodecContext
from av.container import InputContainer
from av.stream import Stream

from avadclip.media.decode import DecodeCount, decode_packet
from avadclip.media.times.clock import may_jump

if TYPE_CHECKING:
    from av.packet import Packet

PATIENCE = 12  # packets that fail, without a good frame, before another codec is tried
MAX_FRUITLESS = 64  # packets without a good frame, failed or not; decoders hold back 16, and others are left out
HELD_BACK = 16  # packets of the new codec that may come before the old one's last frames, its key frame among them
CANDIDATES = {"video": ("h264", "hevc", "mpeg2video", "mpeg4"), "audio": ("aac", "mp2", "ac3", "eac3")}
"""What broadcasters and recorders put into transport streams."""


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
