"""Frames, snippets, windows and seconds: the one place that converts between them.

Snippets are cut by time at the model's frame rate, never by counting a file's own frames: 16 frames are 0.67 s at
24 fps and 0.27 s at 60 fps, and a model must see the same stretch of time from either camera.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SNIPPET_FRAMES = 16  # model frames; fixed by the published features (CCTV-Fights uses 4)
MODEL_FRAME_RATE_HZ = 24.0  # the frame rate of XD-Violence
WINDOW_SNIPPETS = 256  # snippets of one forward pass; fixed by the published position embedding


@dataclass(frozen=True)
class SnippetGrid:
    """How a model cuts time: snippet i covers [i, i + 1) * snippet_seconds."""

    snippet_frames: int = SNIPPET_FRAMES
    frame_rate_hz: float = MODEL_FRAME_RATE_HZ

    def __post_init__(self) -> None:
        if self.snippet_frames < 1 or not 0 < self.frame_rate_hz < math.inf:
            raise ValueError(f"Snippets of {self.snippet_frames} frames at {self.frame_rate_hz:g} frames/s cut no time")

    @property
    def snippet_seconds(self) -> float:
        """Length of one snippet in seconds."""
        return self.snippet_frames / self.frame_rate_hz

    def num_snippets(self, duration_seconds: float) -> int:
        """Whole snippets in a video of this length; half a model frame is forgiven at the end."""
        return int((duration_seconds * self.frame_rate_hz + 0.5) // self.snippet_frames)

    def starts(self, num_snippets: int) -> NDArray[np.float64]:
        """Start of every snippet in seconds, [T]."""
        return np.arange(num_snippets, dtype=np.float64) * self.snippet_seconds

    def centres(self) -> Iterator[float]:
        """Centre of snippet 0, 1, 2, .. in seconds, without end."""
        index = 0
        while True:
            yield (index + 0.5) * self.snippet_seconds
            index += 1

    def frame_times(self, frame_offsets: tuple[int, ...]) -> Iterator[float]:
        """Times in seconds of the model frames an encoder wants of each snippet, without end.

        Args:
            frame_offsets: ascending, each within [0, snippet_frames).
        """
        first_frame = 0
        while True:
            for offset in frame_offsets:
                yield (first_frame + offset) / self.frame_rate_hz
            first_frame += self.snippet_frames


def windows(num_snippets: int, window_snippets: int = WINDOW_SNIPPETS) -> list[tuple[int, int]]:
    """Half-open snippet ranges of consecutive windows; 256 snippets are one window, not one and an empty one."""
    return [(start, min(start + window_snippets, num_snippets)) for start in range(0, num_snippets, window_snippets)]
