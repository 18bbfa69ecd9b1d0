"""Windows around given times, cut from a stream of audio blocks."""

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from avadclip.media.track import SAMPLE_RATE_HZ, SoundBlock


class WindowCutter:
    """Cutter of windows from ascending blocks; only blocks that a window still needs stay in memory."""

    def __init__(self, centres: Iterable[float], window_seconds: float) -> None:
        self._centres = iter(centres)
        self._num_samples = round(window_seconds * SAMPLE_RATE_HZ)
        self._held: deque[SoundBlock] = deque()
        self._start = self._next_start()
        self.num_cut = 0
        self.end_seconds = 0.0
        """End of the last window so far."""

    @property
    def is_done(self) -> bool:
        """Whether all windows have been cut."""
        return self._start is None

    def add(self, block: SoundBlock) -> Iterator[NDArray[np.float32]]:
        """Add a block and yield the windows it completes."""
        self._held.append(block)
        while self._start is not None and block.end >= self._start + self._num_samples:
            yield self._cut(self._start)
        self._forget()

    def rest(self) -> Iterator[NDArray[np.float32]]:
        """Yield the windows after the last block, padded with zeros; endless if the centres are."""
        while self._start is not None:
            yield self._cut(self._start)

    def _cut(self, start: int) -> NDArray[np.float32]:
        window = np.zeros(self._num_samples, dtype=np.float32)
        for block in self._held:
            block.copy_into(window, start)
        self.num_cut += 1
        self.end_seconds = (start + self._num_samples) / SAMPLE_RATE_HZ
        self._start = self._next_start()
        self._forget()
        return window

    def _forget(self) -> None:
        while self._held and (self._start is None or self._held[0].end <= self._start):
            self._held.popleft()

    def _next_start(self) -> int | None:
        centre = next(self._centres, None)
        return None if centre is None else round(centre * SAMPLE_RATE_HZ) - self._num_samples // 2
