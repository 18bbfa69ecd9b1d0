"""Interfaces of the encoders used in feature extraction."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from avadclip.events import SoundRule

Frame = NDArray[np.uint8]
"""RGB frame, [H, W, 3], 0..255."""

Prepared = NDArray[np.uint8]
"""Preprocessed frame, the network's input; its size does not depend on the frame's size."""

Windows = NDArray[np.float32]
"""Batch of audio windows, [N, samples], mono at media.track.SAMPLE_RATE_HZ, nominally within [-1, 1]."""

STILL_RULE = 1  # number of the rule in features.skip_still; another one gives other features

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


@runtime_checkable
class MotionEncoder(Protocol):
    """What a VisualEncoder has besides where part of its rows is computed from differences of a snippet's frames."""

    def renew_motion(self, rows: NDArray[np.float32], frames: list[Prepared]) -> NDArray[np.float32]:
        """A copy of rows [.., dim] whose motion part is that of one snippet's frames, as `encode` computes it."""
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


@dataclass(frozen=True)
class SoundTags:
    """The most probable named sounds of every snippet; a few of the tagger's names, so that hours stay small."""

    names: tuple[str, ...]
    """What `indices` count in."""
    indices: NDArray[np.uint16]
    """[T, K], the most probable first."""
    probabilities: NDArray[np.float16]
    """[T, K], within [0, 1]."""

    def __len__(self) -> int:
        return len(self.indices)

    def probability_of(self, names: Iterable[str]) -> NDArray[np.float32]:
        """The highest probability of these sounds, [T]; 0 where none of them is among the snippet's K."""
        wanted = [self.names.index(name) for name in names if name in self.names]
        found = np.where(np.isin(self.indices, wanted), self.probabilities, np.float16(0.0))
        highest: NDArray[np.float32] = found.max(axis=1, initial=0.0).astype(np.float32)
        return highest

    def fits(self, num_snippets: int) -> bool:
        """Whether these are whole tags of so many snippets: a file may hold anything."""
        indices, probabilities = self.indices, self.probabilities
        return (
            indices.shape == probabilities.shape == (num_snippets, *indices.shape[1:2])
            and indices.dtype == np.uint16
            and bool((indices < len(self.names)).all())
            and bool(((probabilities >= 0) & (probabilities <= 1)).all())
        )

    def compact(self) -> "SoundTags":
        """The same tags with only the names that occur."""
        used, indices = np.unique(self.indices, return_inverse=True)
        names = tuple(self.names[int(index)] for index in used)
        return SoundTags(names, indices.reshape(self.indices.shape).astype(np.uint16), self.probabilities)

    @classmethod
    def joined(cls, parts: "Sequence[SoundTags]") -> "SoundTags":
        """The tags of one tagger in a row; at least one part."""
        return cls(
            parts[0].names,
            np.concatenate([part.indices for part in parts]),
            np.concatenate([part.probabilities for part in parts]),
        )

    def part(self, start: int, stop: int | None = None) -> "SoundTags":
        """The tags of snippets [start, stop)."""
        return SoundTags(self.names, self.indices[start:stop], self.probabilities[start:stop])


class TaggedSound(NamedTuple):
    """What an audio tagger makes of N windows."""

    features: NDArray[np.float32]
    """Embeddings, [N, dim]."""
    tags: SoundTags
    """Of the same windows."""


class SoundTagger(Protocol):
    """Recogniser of named sounds: window to probabilities of many sounds at once (multi-label)."""

    name: str
    names: tuple[str, ...]
    """All sounds that it knows."""
    window_seconds: float
    """Length of the window, centred on the snippet."""
    default_sounds: tuple[SoundRule, ...]
    """The sounds that raise events where the user named none."""

    def tag(self, windows: Windows) -> TaggedSound:
        """Recognise the sounds of windows [N, samples]; a window's result never depends on the others."""
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
    tagger: SoundTagger | None = None
    """May be the same object as `audio`; each window is then processed once."""
    skip_still: bool = False
    """Whether pictures that look like the last encoded one take its features (features.skip_still)."""

    def visual_identity(self) -> Identity:
        """Identity of the visual features, which those of `skip_still` never share with fully encoded ones."""
        return self.visual.identity() | ({"skip_still": STILL_RULE} if self.skip_still else {})
