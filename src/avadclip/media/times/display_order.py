"""Times of decoded pictures where the container has none of their own.

AVI, and MP4 without a `ctts` table, date pictures in the order of decoding. The decoder returns them in the order of
display, so the n-th picture that it returns gets the n-th time.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from av.packet import Packet
from av.video.frame import VideoFrame

MAX_JOINT_FRAMES = 8  # of a gap where two parts of an edit list meet, which FFmpeg joins by the times of decoding
MAX_HELD_BACK = 16  # pictures that H.264 and HEVC may decode before one that is shown earlier


class DisplayOrder:
    """Start times of one stream's pictures, in ticks.

    Whether the container has presentation times shows in its packets: reordered ones then step back. From the first
    step back on, pictures keep their own times; before it, both rules agree.

    Args:
        is_reordered: whether the decoder may return pictures in another order than that of decoding.
        begins_at: time of the first picture; None for its own, where reading begins inside the file.
    """

    def __init__(self, *, is_reordered: bool, begins_at: int | None) -> None:
        self.has_presentation_times = not is_reordered
        self.num_moved = 0
        """Pictures that did not keep their own time."""
        self._begins_at = begins_at
        self._latest: int | None = None
        self._shift: int | None = None  # from the time of decoding
        self._ahead = 0  # of a packet's rebuilt time to its own
        self._waiting: deque[int] = deque()  # of the packets whose picture is yet to come
        self.has_joints = False
        """Whether an edit list left out something between two parts that it shows."""
        self._is_inside = False  # what is shown
        self._num_restored = 0
        self._joint: int | None = None  # own time of the first packet after the last joint, until its picture comes
        self._joint_shift = 0
        self._step = 0
        self._last = 0

    def look_at(self, packet: "Packet[Any]") -> None:
        """Take the next packet as it is read, at any distance ahead of the decoder."""
        if packet.pts is not None and packet.size and not packet.is_discard:
            self.has_presentation_times |= self._latest is not None and packet.pts < self._latest
            self._latest = packet.pts

    def follow(self, packets: "Iterable[Packet[Any]]") -> "Iterator[Packet[Any]]":
        """Yield the packets to the decoder, which takes one after the other."""
        for packet in packets:
            taken = self._restored(packet)
            self._find_joint(packet)
            if taken.dts is not None and taken.size:
                if self._shift is None:
                    begins_at = taken.pts if self._begins_at is None else self._begins_at
                    self._shift = (taken.dts if begins_at is None else begins_at) - taken.dts
                    self._ahead = 0 if taken.pts is None else taken.dts + self._shift - taken.pts
                if not taken.is_discard:
                    self._waiting.append(taken.dts + self._shift)
            if len(self._waiting) > MAX_HELD_BACK + 1:  # the decoder gave nothing for the oldest
                self._waiting.popleft()
            yield taken

    def start_of(self, picture: VideoFrame) -> int | None:
        """Start of the next decoded picture; None where neither its own time nor another is known."""
        own: int | None = picture.pts
        if self.has_presentation_times or not self._waiting:
            return None if own is None else self._closed(own)
        while picture.key_frame and own is not None and len(self._waiting) > 1 and self._waiting[0] < own + self._ahead:
            self._waiting.popleft()  # decoded before a key frame and not shown before it: lost
        start = self._waiting.popleft()
        self.num_moved += own is not None and own != start
        return start

    def _find_joint(self, packet: "Packet[Any]") -> None:
        if packet.is_discard and self._is_inside:
            self.has_joints, self._is_inside = True, False
        elif packet.size and not packet.is_discard and not self._is_inside:
            self._is_inside = True
            self._joint = packet.pts if self.has_joints else None
        self._step = packet.duration or self._step

    def _closed(self, own: int) -> int:
        """Without the gap that reordered pictures leave where two parts of an edit list meet."""
        gap = own - self._joint_shift - self._last - self._step
        if self._joint is not None:
            if 0 < gap <= MAX_JOINT_FRAMES * self._step:
                self._joint_shift += gap
            if own == self._joint or gap > 0:
                self._joint = None
        self._last = own - self._joint_shift
        return self._last

    def _restored(self, packet: "Packet[Any]") -> "Packet[Any]":
        """Without the mark of an edit list that counts in a `ctts` table which the file has lost."""
        is_lost = packet.is_discard and not self._is_inside and not self.has_joints and packet.pts == packet.dts
        if self.has_presentation_times or not is_lost or self._num_restored == MAX_HELD_BACK:
            return packet
        self._num_restored += 1
        copy = Packet(bytes(packet))
        copy.pts, copy.dts, copy.time_base, copy.duration = packet.pts, packet.dts, packet.time_base, packet.duration
        return copy
