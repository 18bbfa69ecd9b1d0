"""H.264 non-reference frames that no requested time samples are skipped.

About every second frame of an H.264 file is a non-reference frame and is marked as one, so the other frames are
decoded to the same bits with or without it. Other codecs mark them less reliably and are decoded completely.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from avadclip.media.times.display_order import DisplayOrder

if TYPE_CHECKING:
    from av.packet import Packet

LOOK_AHEAD = 32  # packets; H.264 holds back 16 pictures at most until one that is decoded later has been shown
PROGRESSIVE = 1  # AV_FIELD_PROGRESSIVE: of interlaced pictures, each half may come in a packet of its own


def skip_unread(
    packets: "Iterator[Packet[Any]]", codec_context: Any, requested: "RequestedTimes", order: DisplayOrder
) -> "Iterator[Packet[Any]]":
    """Yield packets in order; before each one, set whether the decoder may skip its frame.

    A frame may be skipped if no requested time lies between its start and that of the next displayed frame. Where the
    container has no presentation times, none is.

    Args:
        packets: of one stream, on the clock of the requested times.
        codec_context: decodes a packet before it takes the next one.
        requested: the requested times.
        order: has taken every packet by the time it comes here.
    """
    if codec_context.name != "h264" or codec_context.field_order != PROGRESSIVE:
        yield from packets
        return
    waiting: deque[tuple[int, Packet[Any]]] = deque()
    starts: list[int] = []  # ascending: of the waiting packets, and of earlier ones displayed after one of them
    without_time = None
    for packet in packets:
        if packet.pts is None:
            without_time = packet
            break
        waiting.append((packet.pts, packet))
        if not packet.is_discard:  # what an edit list leaves out has times of the parts that it shows
            insort(starts, packet.pts)
        if len(waiting) > LOOK_AHEAD:
            start, first = waiting.popleft()
            place = bisect_right(starts, start)
            tick = float(first.time_base)
            may_skip = order.has_presentation_times and not order.has_joints and place < len(starts)
            is_skipped = may_skip and not requested.any_between(start * tick, starts[place] * tick)
            codec_context.skip_frame = "NONREF" if is_skipped else "DEFAULT"
            yield first
            oldest = min((other for other, each in waiting if not each.is_discard), default=start)
            del starts[: bisect_left(starts, oldest)]
            requested.forget_before(oldest * tick)
    codec_context.skip_frame = "DEFAULT"
    yield from (packet for _, packet in waiting)
    if without_time is not None:  # the display order is unknown from here on
        yield without_time
        yield from packets


class RequestedTimes:
    """Ascending requested times with a look-ahead.

    Args:
        times: in seconds; may be endless.
    """

    def __init__(self, times: Iterable[float]) -> None:
        self._times = iter(times)
        self._known: list[float] = []

    def any_between(self, start: float, end: float) -> bool:
        """Whether a requested time lies in [start, end)."""
        while not self._known or self._known[-1] < end:
            self._known.append(next(self._times, math.inf))
        return self._known[bisect_left(self._known, start)] < end

    def forget_before(self, start: float) -> None:
        """Drop the times before `start`."""
        del self._known[: bisect_left(self._known, start)]
