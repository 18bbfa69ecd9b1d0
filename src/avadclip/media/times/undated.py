"""Clocks of sources without timestamps: raw video such as MJPEG or H.264, over HTTP or in a file."""

import time
from fractions import Fraction
from typing import Any

from av.container import InputContainer
from av.format import Flags
from av.packet import Packet

TICK = Fraction(1, 1000)  # seconds; that of Matroska, in which events are recorded


def states_times(container: InputContainer) -> bool:
    """Whether the container's format has timestamps; for raw video, FFmpeg counts 25 pictures a second instead."""
    return Flags.no_timestamps not in Flags(container.format.flags)


class ArrivalClock:
    """Clock of a live source: seconds since its first picture arrived."""

    note = "no times: dated by arrival"

    def __init__(self) -> None:
        self.now = 0.0
        """Arrival of the last picture."""
        self._begun: float | None = None

    def set_picture(self, packet: "Packet[Any]") -> None:
        """Set the timestamps of the packet that has just arrived."""
        now = time.monotonic()
        self._begun = now if self._begun is None else self._begun
        self.now = now - self._begun
        _date(packet, self.now)


class RateClock:
    """Clock of a recording: pictures counted at an assumed rate.

    Args:
        rate_hz: pictures a second.
    """

    def __init__(self, rate_hz: float) -> None:
        self.note = f"no times: {rate_hz:g} pictures/s assumed"
        self._picture_seconds = 1.0 / rate_hz
        self._num_pictures = 0

    def set_picture(self, packet: "Packet[Any]") -> None:
        """Set the timestamps of the next packet, which holds one picture."""
        _date(packet, self._num_pictures * self._picture_seconds)
        self._num_pictures += 1


def _date(packet: "Packet[Any]", seconds: float) -> None:
    packet.time_base = TICK
    packet.pts = packet.dts = round(seconds / TICK)
