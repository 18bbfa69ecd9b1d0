"""Sound that is read along with the picture, in one pass over the file."""

import itertools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from avadclip.media.audio import SoundDecoder, SoundReport
from avadclip.media.clock import Clock, SoundQueue, longest_pause, may_jump
from avadclip.media.container import picture_stream
from avadclip.media.track import SoundBlock
from avadclip.media.windows import WindowCutter

if TYPE_CHECKING:
    from av.packet import Packet


class SoundListener:
    """Receives the sound in the pass that a VideoReader makes over the file.

    Each window is handed on as soon as the file has shown what lies in it, so that nothing piles up, however a file
    interleaves picture and sound.

    Args:
        centres: see SoundReader.windows; endless.
        window_seconds: length of a window.
        take: gets the windows in their order, in the thread that reads the picture.
    """

    def __init__(
        self, centres: Iterable[float], window_seconds: float, take: Callable[[NDArray[np.float32]], None]
    ) -> None:
        self._cutter = WindowCutter(centres, window_seconds)
        self._take = take
        self.report: SoundReport | None = None
        """Of the whole track; None where the file could not be read to its end: read the sound alone then."""

    def begin(self, container: InputContainer, stream: AudioStream, zero: float, picture_clock: Clock) -> "SoundPass":
        """Begin a pass; the reader of the picture calls it for every packet.

        Args:
            container: where the picture is read from.
            stream: the sound track in it.
            zero: time of the first picture on the file's own clock, in seconds.
            picture_clock: the reader's own.
        """
        picture = picture_stream(container)
        # As in a pass of its own: only where files may jump does the picture have a say in where the sound is.
        alone = Clock(picture, zero, longest_pause=longest_pause(container, picture))
        clock = picture_clock if may_jump(container) else alone
        return SoundPass(self, SoundDecoder(stream), SoundQueue(clock), clock)

    def fill(self, num_windows: int) -> None:
        """Hand on what is left of the first `num_windows` windows: the track may end before the picture does."""
        for window in itertools.islice(self._cutter.rest(), max(num_windows - self._cutter.num_cut, 0)):
            self._take(window)

    def add(self, block: SoundBlock) -> None:
        """The next block of sound."""
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
        """Decode the rest once the file has been read to its end."""
        for packet in self.queue.rest():
            self._decode(packet)
        for block in self.track.finish():
            self.listener.add(block)
        self.listener.report = self.track.report(self.clock.num_jumps)

    def _decode(self, packet: "Packet[Any]") -> None:
        for block in self.track.decode(packet):
            self.listener.add(block)
