"""Pictures that stand still are encoded once: a slide of ten minutes is one encoding, not nine hundred."""

import numpy as np
from numpy.typing import NDArray

from avadclip.encoders.base import Frame, Prepared, VisualEncoder


class StillsOnce:
    """Encodes the snippets of one video in order; one that shows the pictures of its neighbour shares its features.

    Readers give a picture that is shown twice as the same array, so nothing is compared pixel by pixel.
    """

    def __init__(self, encoder: VisualEncoder) -> None:
        self._encoder = encoder
        self._frame: Frame | None = None
        self._prepared: Prepared | None = None
        self._last: list[Prepared] = []
        self._last_rows: NDArray[np.float32] | None = None

    def prepare(self, frame: Frame) -> Prepared:
        """See base.VisualEncoder.prepare; the same array gives the same one."""
        if self._prepared is None or frame is not self._frame:
            self._frame, self._prepared = frame, self._encoder.prepare(frame)
        return self._prepared

    def encode(self, frames: list[Prepared]) -> NDArray[np.float32]:
        """See base.VisualEncoder.encode."""
        per_snippet = len(self._encoder.frame_offsets)
        fresh: list[Prepared] = []
        picks = []  # of every snippet, its place among the last one before and the fresh ones
        for first in range(0, len(frames), per_snippet):
            snippet = frames[first : first + per_snippet]
            if len(self._last) != len(snippet) or any(a is not b for a, b in zip(snippet, self._last, strict=True)):
                fresh += snippet
                self._last = snippet
            picks.append(len(fresh) // per_snippet)
        known = [] if self._last_rows is None else [self._last_rows]
        if self._last_rows is None:
            picks = [pick - 1 for pick in picks]
        rows = np.concatenate([*known, *([self._encoder.encode(fresh)] if fresh else [])], axis=1)
        self._last_rows = rows[:, -1:]
        return rows[:, picks]
