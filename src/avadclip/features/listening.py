"""Sound encoded while the picture is read, by encoders that need to hear it once."""

import numpy as np
from numpy.typing import NDArray

from avadclip.encoders.base import AudioEncoder
from avadclip.encoders.rows import Rows
from avadclip.media.audio import SoundReport
from avadclip.media.listener import SoundListener
from avadclip.timeline import SnippetGrid

WINDOWS_PER_BATCH = 64  # sound windows encoded at once: 4 MB of samples


class Listening:
    """One recording's audio features, made as its windows come.

    Args:
        encoder: one that `reads_once`.
        grid: whose snippets are heard.
    """

    def __init__(self, encoder: AudioEncoder, grid: SnippetGrid) -> None:
        self._encode = encoder.listen()
        self._rows = Rows(encoder.dim)
        self._waiting: list[NDArray[np.float32]] = []
        self.listener = SoundListener(grid.centres(), encoder.window_seconds, self._take)
        """Goes with the reader of the picture."""

    @property
    def report(self) -> SoundReport | None:
        """See SoundListener.report."""
        return self.listener.report

    def features(self, num_snippets: int) -> NDArray[np.float32]:
        """Audio features [T, Da] of the first snippets, once the file has been read; called once."""
        self.listener.fill(num_snippets)
        self._encode_waiting()
        return self._rows.take(num_snippets)

    def _take(self, window: NDArray[np.float32]) -> None:
        self._waiting.append(window)
        if len(self._waiting) == WINDOWS_PER_BATCH:
            self._encode_waiting()

    def _encode_waiting(self) -> None:
        if self._waiting:
            self._rows.append(self._encode(np.stack(self._waiting)))
            self._waiting.clear()
