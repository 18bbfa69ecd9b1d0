"""What feature extraction asks of an encoder, whichever network stands behind it."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
"""One RGB picture, [H, W, 3], 0..255."""

Prepared = NDArray[np.uint8]
"""What an encoder makes of one picture before its network sees it: small, whatever the picture's size."""

Windows = NDArray[np.float32]
"""A batch of sound windows, [N, samples], mono at media.track.SAMPLE_RATE_HZ, nominally within [-1, 1]."""

Identity = dict[str, str | int | float | bool | list[int] | None]
"""Everything about an encoder that changes its numbers; written into feature files and checkpoints and compared.

None stands in checkpoints only, for what their makers do not say: anything fits.
"""


class VisualEncoder(Protocol):
    """Turns the frames of snippets into one vector per snippet and crop."""

    name: str
    dim: int
    frame_offsets: tuple[int, ...]
    """Which model frames of a snippet it looks at, ascending, e.g. (0,) or (0, 2, 4, .., 14)."""
    frame_size: tuple[int, int] | None
    """(height, width) the reader's scaler should deliver; None asks for full-size frames."""
    num_crops: int
    snippets_per_batch: int
    """How many snippets one `encode` call should hold for good speed in bounded memory."""

    def prepare(self, frame: Frame) -> Prepared:
        """What `encode` takes of a picture: resized, its crops cut. May run in another thread than `encode`."""
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
    """Turns one sound window per snippet into one vector per snippet."""

    name: str
    dim: int
    window_seconds: float
    """Length of the window, centred on the snippet."""
    reads_once: bool
    """Whether `listen` gives the numbers of `encode_recording`: nothing is normalised over the recording."""

    def encode_recording(self, read_windows: Callable[[], Iterator[Windows]]) -> NDArray[np.float32]:
        """Encode a whole recording, [T, dim].

        Args:
            read_windows: each call reads the recording from its start and yields consecutive batches of windows; an
                encoder that normalises over the recording calls it twice. Batch sizes never change a number.
        """
        ...

    def listen(self) -> Callable[[Windows], NDArray[np.float32]]:
        """Begin to encode a live stream: the result turns its next windows [N, samples] into [N, dim].

        An encoder that normalises over a recording does so over what this stream held so far.
        """
        ...

    def identity(self) -> Identity:
        """See Identity."""
        ...


class TextEncoder(Protocol):
    """Turns class words into vectors in the joint space of picture, sound and text."""

    def encode_words(self, phrases: Iterable[str]) -> NDArray[np.float32]:
        """[number of phrases, D], not normalised."""
        ...


class Encoders(NamedTuple):
    """The frozen encoders one model was trained on."""

    name: str
    """As a user writes it: `lite`, `clip`, `clip:/folder`."""
    visual: VisualEncoder
    audio: AudioEncoder | None
    text: TextEncoder | None
