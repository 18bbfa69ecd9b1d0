"""The video's clock: seconds since the first frame, without jumps, the same for video and audio.

Transport streams start anywhere (1.48 s is common), and joined ones jump in the middle. The video packets decide
where the clock is reset and audio follows them, so the two stay synchronous across a join.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from av.container import InputContainer
from av.video.stream import VideoStream

from avadclip.media.container import header_seconds
from avadclip.media.times.frame_rate import NOMINAL_RATE_HZ, stated_rate_hz

if TYPE_CHECKING:
    from av.packet import Packet

BACKWARD_SECONDS = 0.1  # a step back beyond this is a restart; below it, untidy rounding
FORWARD_SECONDS = 10.0  # a step ahead beyond this is a restart in an MPEG stream (the ffmpeg program's limit)
LONGEST_PAUSE_SECONDS = 3600.0  # the limit in any other format, where a slide may be shown for minutes
MAX_WAITING = 256  # sound packets held back until the picture shows whether it jumps too; about 5 s of AAC


def may_jump(container: InputContainer) -> bool:
    """Whether timestamps may restart inside the file: true for MPEG streams, which are joined by appending."""
    return container.format.name in ("mpegts", "mpeg")


def longest_pause(container: InputContainer, picture: VideoStream) -> float:
    """The longest step ahead, in seconds, that is still a pause; outside MPEG streams, up to the whole video."""
    stated = 0.0 if may_jump(container) else header_seconds(container, picture) or LONGEST_PAUSE_SECONDS
    return min(max(stated, FORWARD_SECONDS), LONGEST_PAUSE_SECONDS)


class Clock:
    """Converter of packets from the file's own time to the video's clock; it rewrites their timestamps.

    Args:
        picture: the video stream; all its packets must pass through `set_picture`, in file order.
        zero: time of the first picture on the file's own clock, in seconds.
        longest_pause: a longer step ahead is a restart, in seconds.
    """

    def __init__(self, picture: VideoStream, zero: float, *, longest_pause: float) -> None:
        self._longest_pause = longest_pause
        self._offsets = [-zero]  # one per stretch between jumps
        self._picture = _Trail(1.0 / (stated_rate_hz(picture) or NOMINAL_RATE_HZ), longest_pause)
        self._sound = _Trail(0.0, longest_pause)
        self._sound_stretch = 0
        self._sound_shift = 0.0

    @property
    def num_jumps(self) -> int:
        """Times the video stream's timestamps restarted so far."""
        return len(self._offsets) - 1

    def set_picture(self, packet: "Packet[Any]") -> None:
        """Rewrite the timestamps of the next video packet."""
        now = _seconds(packet)
        if now is None:
            self._picture.pass_over(packet)
        elif not packet.is_discard:
            if self._jumps(now, self._picture):
                self._offsets.append(self._offsets[-1] + self._picture.expected - now)
            self._picture.follow(now, packet)
            if packet.pts is not None and abs(packet.pts * packet.time_base - now) > self._longest_pause:
                packet.pts = None  # no decoder delays a frame that long: a damaged timestamp
        _shift(packet, self._offsets[-1])

    def set_sound(self, packet: "Packet[Any]", *, wait: bool) -> bool:
        """Rewrite the timestamps of the next audio packet.

        Returns:
            False if it jumps and `wait` is set: the video may be about to jump too; call again after its next packet.
        """
        now = _seconds(packet)
        if now is None:
            self._sound.pass_over(packet)
        elif not packet.is_discard:
            if self._jumps(now, self._sound) and not self._follow_picture(now, wait=wait):
                return False
            self._sound.follow(now, packet)
        _shift(packet, self._sound_offset())
        return True

    def _follow_picture(self, now: float, *, wait: bool) -> bool:
        if self._sound_stretch < self.num_jumps:
            self._sound_stretch += 1
            self._sound_shift = 0.0
        elif wait:
            return False
        elif now < self._sound.expected:  # sound alone went back: it continues; alone ahead, it is a gap
            self._sound_shift += self._sound.expected - now
        return True

    def _sound_offset(self) -> float:
        return self._offsets[self._sound_stretch] + self._sound_shift

    def _jumps(self, now: float, trail: "_Trail") -> bool:
        if trail.last is None:
            return False
        return not -BACKWARD_SECONDS <= now - trail.last <= self._longest_pause


class _Trail:
    """Last position of a stream, on the file's own clock; packets that an edit list leaves out are none."""

    def __init__(self, step: float, longest_step: float) -> None:
        self._longest_step = longest_step
        self.last: float | None = None
        self._step = step
        self._since_last = 1  # packets, whose times are not all stated

    @property
    def expected(self) -> float:
        return (self.last or 0.0) + self._since_last * self._step

    def follow(self, now: float, packet: "Packet[Any]") -> None:
        self.last = now
        self._since_last = 1
        seconds = float((packet.duration or 0) * packet.time_base)
        if 0 < seconds <= self._longest_step:  # a longer one reaches across what the clock jumped over
            self._step = seconds

    def pass_over(self, packet: "Packet[Any]") -> None:
        self._since_last += packet.size > 0


class SoundQueue:
    """Queue of audio packets before conversion to the video's clock; one that jumps waits until the video jumps too.

    Args:
        clock: converts them; the reader of the video packets passes those through its `set_picture`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[Packet[Any]] = deque()

    def add(self, packet: "Packet[Any]") -> None:
        """Append the next audio packet."""
        self._waiting.append(packet)

    def ready(self) -> "Iterator[Packet[Any]]":
        """Yield the packets that are converted by now; call after every audio or video packet."""
        while self._waiting and self._clock.set_sound(self._waiting[0], wait=len(self._waiting) < MAX_WAITING):
            yield self._waiting.popleft()

    def rest(self) -> "Iterator[Packet[Any]]":
        """Yield the packets still waiting at the end of the file."""
        while self._waiting:
            self._clock.set_sound(self._waiting[0], wait=False)
            yield self._waiting.popleft()


def sound_packets(packets: "Iterable[Packet[Any]]", picture: VideoStream, clock: Clock) -> "Iterator[Packet[Any]]":
    """Yield the audio packets among video and audio packets, with timestamps on the video's clock."""
    queue = SoundQueue(clock)
    for packet in packets:
        if packet.stream_index != picture.index:
            queue.add(packet)
        elif packet.size:
            clock.set_picture(packet)
        yield from queue.ready()
    yield from queue.rest()


def _seconds(packet: "Packet[Any]") -> float | None:
    # Decoding order: of all timestamps, these never step back in a sound file.
    return None if packet.dts is None else float(packet.dts * packet.time_base)


def _shift(packet: "Packet[Any]", seconds: float) -> None:
    ticks = round(seconds / packet.time_base)
    packet.dts = None if packet.dts is None else packet.dts + ticks
    packet.pts = None if packet.pts is None else packet.pts + ticks
