"""Interfaces of the encoders used in feature extraction."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
"""RGB frame, [H, W, 3], 0..255."""

Prepared = NDArray[np.uint8]
"""Preprocessed frame, the network's input; its size does not depend on the frame's size."""

Windows = NDArray[np.float32]
"""Batch of audio windows, [N, samples], mono at media.track.SAMPLE_RATE_HZ, nominally within [-1, 1]."""

Identity = dict[str, str | int | float | bool | list[int] | None]
"""Everything about an encoder that affects its output; stored in feature files and checkpoints, and compared.

None occurs in checkpoints only, for unknown values, and matches any value.
"""


class VisualEncoder(Protocol):
    """Encoder of frames to one vector per snippet and crop."""

    name: str
    dim: int
    frame_offsets: tuple[int, ...]
    """Model frames of a snippet that it samples, ascending, e.g. (0,) or (0, 2, 4, .., 14)."""
    frame_size: tuple[int, int] | None
    """(height, width) of its input frames, resized by the reader; None for full size."""
    num_crops: int
    snippets_per_batch: int
    """Snippets per `encode` call for good speed in bounded memory."""

    def prepare(self, frame: Frame) -> Prepared:
        """Resize a frame and cut its crops, as input of `encode`. May run in another thread than `encode`."""
        ...

    def encode(self, frames: list[Prepared]) -> NDArray[np.float32]:
        """Encode whole snippets: len(frames) = N * len(frame_offsets), in time order. Returns [num_crops, N, dim].

        A snippet's features never depend on which other snippets share the call.
        """
        ...

    def identity(self) -> Identity:
        """See Identity."""
        ...


class AudioEncoder(Protocol):
    """Encoder of audio windows to one vector per snippet."""

    name: str
    dim: int
    window_seconds: float
    """Length of the window, centred on the snippet."""
    reads_once: bool
    """Whether `listen` gives the same features as `encode_recording`: nothing is normalised over the recording."""

    def encode_recording(self, read_windows: Callable[[], Iterator[Windows]]) -> NDArray[np.float32]:
        """Encode a whole recording, [T, dim].

        Args:
            read_windows: each call reads the recording from its start and yields consecutive batches of windows; an
                encoder that normalises over the recording calls it twice. Features do not depend on batch sizes.
        """
        ...

    def listen(self) -> Callable[[Windows], NDArray[np.float32]]:
        """Start encoding a live stream: the returned function encodes its next windows [N, samples] to [N, dim].

        An encoder that normalises over a recording normalises over the stream so far.
        """
        ...

    def identity(self) -> Identity:
        """See Identity."""
        ...


class TextEncoder(Protocol):
    """Encoder of class names to vectors in the joint space of images, audio and text."""

    def encode_words(self, phrases: Iterable[str]) -> NDArray[np.float32]:
        """[number of phrases, D], not normalised."""
        ...


class Encoders(NamedTuple):
    """The frozen encoders one model was trained on."""

    name: str
    """Name as in `--encoders`: `lite`, `clip`, `clip:/folder`."""
    visual: VisualEncoder
    audio: AudioEncoder | None
    text: TextEncoder | None
