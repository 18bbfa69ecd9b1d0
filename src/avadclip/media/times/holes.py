"""Stretches of time in which a stream's packets are missing."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.packet import Packet

MIN_STEPS, MIN_SECONDS = 0.75, 0.02  # a shorter hole is jitter; one lost picture is a whole step


class Holes:
    """Time between the end of each packet and the start of the next one, in order of decoding.

    Args:
        step_seconds: from packet to packet, where they state no longer duration.
    """

    def __init__(self, step_seconds: float) -> None:
        self.num = 0
        self.seconds = 0.0
        """In all."""
        self.num_damaged = 0
        """Packets that the container knows to be incomplete."""
        self.num_standing = 0
        """Packets that are no later than the one before them."""
        self._step = step_seconds
        self._start: float | None = None
        self._end: float | None = None

    def add(self, packet: "Packet[Any]") -> None:
        """Take the next packet, whose timestamps are on the video's clock."""
        self.num_damaged += packet.is_corrupt
        if packet.dts is None or packet.is_discard or not packet.size:
            return
        start = float(packet.dts * packet.time_base)
        step = max(self._step, float((packet.duration or 0) * packet.time_base))
        self.num_standing += self._start is not None and start <= self._start
        if self._end is not None and start - self._end > max(MIN_STEPS * step, MIN_SECONDS):
            self.num += 1
            self.seconds += start - self._end
        self._start, self._end = start, start + step
