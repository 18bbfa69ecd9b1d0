"""Encoders `colours`: colour histograms of the picture, loudness of the sound."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from avadclip import EncoderOptions, Encoders

BINS = 4  # per colour channel


class ColourHistogram:
    """Share of the pixels in each of 64 colours, averaged over two frames of a snippet."""

    name = "colours"
    dim = BINS**3
    frame_offsets = (0, 8)
    frame_size = (64, 64)
    num_crops = 1
    snippets_per_batch = 16

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """The reader has already resized the frame."""
        return frame

    def encode(self, frames: list[np.ndarray]) -> np.ndarray:
        """Frames of N whole snippets to [1, N, 64]."""
        levels = [frame.astype(int) * BINS // 256 @ (BINS * BINS, BINS, 1) for frame in frames]
        counts = np.array([np.bincount(each.ravel(), minlength=self.dim) / each.size for each in levels], np.float32)
        return counts.reshape(1, -1, len(self.frame_offsets), self.dim).mean(axis=2)

    def identity(self) -> dict[str, str | int]:
        """Everything that the features depend on; raise the version with every change of them."""
        return {"name": self.name, "bins": BINS, "version": 1}


class Loudness:
    """Root mean square of one second of sound."""

    name = "loudness"
    dim = 1
    window_seconds = 1.0
    reads_once = True

    def encode_recording(self, read_windows: Callable[[], Iterator[np.ndarray]]) -> np.ndarray:
        """A whole recording to [T, 1]."""
        return np.concatenate([np.zeros((0, 1), np.float32), *map(self.listen(), read_windows())])

    def listen(self) -> Callable[[np.ndarray], np.ndarray]:
        """Windows [N, samples] of a live stream to [N, 1]."""
        return lambda windows: np.sqrt(np.square(windows).mean(axis=1, keepdims=True)).astype(np.float32)

    def identity(self) -> dict[str, str | int]:
        """As of the picture."""
        return {"name": self.name, "version": 1}


def load(path: Path | None, options: EncoderOptions) -> Encoders:
    """The entry point; these encoders need no files, so `path` is not used."""
    return Encoders("colours", ColourHistogram(), Loudness() if options.sound else None, text=None)
