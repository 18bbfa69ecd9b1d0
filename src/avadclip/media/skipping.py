"""Pictures that nobody asks for are not decoded, where no other picture is made from them.

In H.264 that is about every second picture of a file, and each says so itself: what is decoded is the same to the bit
with them and without. Other codecs tell it less surely; they are decoded whole.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.packet import Packet

LOOK_AHEAD = 32  # packets; H.264 holds back 16 pictures at most until one that is decoded later has been shown
PROGRESSIVE = 1  # AV_FIELD_PROGRESSIVE: of interlaced pictures, each half may come in a packet of its own


def skip_unread(packets: "Iterator[Packet[Any]]", codec_context: Any, asked: "AskedTimes") -> "Iterator[Packet[Any]]":
    """Pass packets on in their order; before each one, tell the decoder whether its picture may be left out.

    It may be where nobody asks for a time between its own start and that of the picture shown next.

    Args:
        packets: of one stream, on the clock of the times that are asked for.
        codec_context: decodes a packet before it takes the next one.
        asked: those times.
    """
    if codec_context.name != "h264" or codec_context.field_order != PROGRESSIVE:
        yield from packets
        return
    waiting: deque[tuple[int, Packet[Any]]] = deque()
    starts: list[int] = []  # ascending: of those that wait, and of earlier ones that are shown after one of them
    without_time = None
    for packet in packets:
        if packet.pts is None:
            without_time = packet
            break
        waiting.append((packet.pts, packet))
        insort(starts, packet.pts)
        if len(waiting) > LOOK_AHEAD:
            start, first = waiting.popleft()
            place = bisect_right(starts, start)
            tick = float(first.time_base)
            is_read = place == len(starts) or asked.any_between(start * tick, starts[place] * tick)
            codec_context.skip_frame = "DEFAULT" if is_read else "NONREF"
            yield first
            oldest = min(other for other, _ in waiting)
            del starts[: bisect_left(starts, oldest)]
            asked.forget_before(oldest * tick)
    codec_context.skip_frame = "DEFAULT"
    yield from (packet for _, packet in waiting)
    if without_time is not None:  # nobody knows any longer what is shown next to what
        yield without_time
        yield from packets


class AskedTimes:
    """Ascending times, known ahead of whoever reads pictures for them.

    Args:
        times: in seconds; may be endless.
    """

    def __init__(self, times: Iterable[float]) -> None:
        self._times = iter(times)
        self._known: list[float] = []

    def any_between(self, start: float, end: float) -> bool:
        """Whether one of them lies in [start, end)."""
        while not self._known or self._known[-1] < end:
            self._known.append(next(self._times, math.inf))
        return self._known[bisect_left(self._known, start)] < end

    def forget_before(self, start: float) -> None:
        """Nobody will ask for less."""
        del self._known[: bisect_left(self._known, start)]
