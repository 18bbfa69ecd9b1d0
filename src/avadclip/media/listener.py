"""Audio that is decoded in the same pass over the file as the video."""

import itertools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from avadclip.media.audio import SoundDecoder, SoundReport
from avadclip.media.times.clock import Clock, SoundQueue
from avadclip.media.track import SoundBlock
from avadclip.media.windows import WindowCutter

if TYPE_CHECKING:
    from av.packet import Packet


class SoundListener:
    """Receiver of audio windows during a VideoReader's pass over the file.

    Each window is delivered as soon as its samples have been decoded, so that memory stays bounded however the file
    interleaves video and audio.

    Args:
        centres: see SoundReader.windows; endless.
        window_seconds: length of a window.
        take: called with each window in order, in the thread that reads the video.
    """

    def __init__(
        self, centres: Iterable[float], window_seconds: float, take: Callable[[NDArray[np.float32]], None]
    ) -> None:
        self._cutter = WindowCutter(centres, window_seconds)
        self._take = take
        self.report: SoundReport | None = None
        """Report on the whole track; None if the file could not be read to its end: read the audio alone then."""

    def begin(self, stream: AudioStream, clock: Clock) -> "SoundPass":
        """Begin a pass over the file; the reader of the picture calls it for every packet.

        Args:
            stream: the sound track.
            clock: the reader's, which the picture sets.
        """
        return SoundPass(self, SoundDecoder(stream), SoundQueue(clock), clock)

    def fill(self, num_windows: int) -> None:
        """Deliver the rest of the first `num_windows` windows; the track may end before the video does."""
        for window in itertools.islice(self._cutter.rest(), max(num_windows - self._cutter.num_cut, 0)):
            self._take(window)

    def add(self, block: SoundBlock) -> None:
        """Add the next block of samples."""
        for window in self._cutter.add(block):
            self._take(window)


class SoundPass(NamedTuple):
    """One pass of a SoundListener."""

    listener: SoundListener
    track: SoundDecoder
    queue: SoundQueue
    clock: Clock

    def add(self, packet: "Packet[Any]") -> None:
        """Take the next packet of the sound, as the file has it."""
        self.queue.add(packet)
        self.decode_ready()

    def decode_ready(self) -> None:
        """Decode what is on the video's clock by now; called after every packet of the picture too."""
        for packet in self.queue.ready():
            self._decode(packet)

    def finish(self) -> None:
        """Decode the rest at the end of the file, and set the listener's report."""
        for packet in self.queue.rest():
            self._decode(packet)
        for block in self.track.finish():
            self.listener.add(block)
        self.listener.report = self.track.report(self.clock.num_jumps)

    def _decode(self, packet: "Packet[Any]") -> None:
        for block in self.track.decode(packet):
            self.listener.add(block)
