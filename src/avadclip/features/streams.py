"""Streaming parts of extraction: audio encoding during the video pass, reuse of still frames."""

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.encoders.base import AudioEncoder, Frame, Prepared, SoundTagger, SoundTags, VisualEncoder, Windows
from avadclip.encoders.rows import Rows
from avadclip.media.audio import SoundReport
from avadclip.media.damage import SoundSource
from avadclip.media.listener import SoundListener
from avadclip.media.track import SAMPLE_RATE_HZ
from avadclip.timeline import SnippetGrid

WINDOWS_PER_BATCH = 64  # audio windows encoded at once: 4 MB of samples


def centre_part(windows: Windows, window_seconds: float) -> Windows:
    """The middle of windows [N, samples], as long as an encoder needs."""
    num_samples = round(window_seconds * SAMPLE_RATE_HZ)
    first = windows.shape[1] // 2 - num_samples // 2
    return windows[:, first : first + num_samples]


def longest_window(encoder: AudioEncoder | None, tagger: SoundTagger | None) -> float:
    """Length in seconds of the windows that both can be given a centre part of; 0 where there is neither."""
    return max((part.window_seconds for part in (encoder, tagger) if part is not None), default=0.0)


class HeardWindows(NamedTuple):
    """What was made of N windows of sound."""

    features: NDArray[np.float32] | None
    """[N, Da]; None without an encoder."""
    tags: SoundTags | None
    """None without a tagger."""


class WindowEncoder:
    """Encodes windows of sound as they come, and names their sounds; one network that does both runs once.

    Args:
        encoder: None where the sound is not encoded here.
        tagger: may be the same object; None where sounds are not named.
    """

    def __init__(self, encoder: AudioEncoder | None, tagger: SoundTagger | None) -> None:
        self._encoder, self._tagger = encoder, tagger
        self._is_one = id(encoder) == id(tagger)
        self._encode = None if encoder is None or self._is_one else encoder.listen()

    def encode(self, windows: Windows) -> HeardWindows:
        """Encode windows [N, samples] of at least `longest_window`."""
        features, tags = None, None
        if self._encode is not None and self._encoder is not None:
            features = self._encode(centre_part(windows, self._encoder.window_seconds))
        if self._tagger is not None:
            tagged = self._tagger.tag(centre_part(windows, self._tagger.window_seconds))
            tags = tagged.tags
            features = tagged.features if self._is_one else features
        return HeardWindows(features, tags)


class AudioStreamEncoder:
    """Encodes the sound of one recording, and names it, while the picture is read.

    Args:
        encoder: one that `reads_once`; None where another pass encodes the sound, or none does.
        tagger: may be the same object; None where sounds are not named.
        grid: its snippets each get a window of sound.
    """

    def __init__(self, encoder: AudioEncoder | None, tagger: SoundTagger | None, grid: SnippetGrid) -> None:
        self.encoder, self._grid = encoder, grid
        self._windows = WindowEncoder(encoder, tagger)
        self._rows = Rows(0 if encoder is None else encoder.dim)
        self._tags: list[SoundTags] = []
        self._waiting: list[NDArray[np.float32]] = []
        self._window_seconds = longest_window(encoder, tagger)
        self.listener = SoundListener(grid.centres(), self._window_seconds, self._take)
        """Listener for the VideoReader."""

    @property
    def report(self) -> SoundReport | None:
        """See SoundListener.report."""
        return self.listener.report

    def read_alone(self, reader: SoundSource, num_snippets: int) -> None:
        """Read the sound in a pass of its own, where the picture's pass could not."""
        for window in reader.windows(itertools.islice(self._grid.centres(), num_snippets), self._window_seconds):
            self._take(window)
        self._encode_waiting()

    def finish(self, num_snippets: int) -> None:
        """Encode what the picture's pass still left of the first snippets; call it once, after the file was read."""
        self.listener.fill(num_snippets)
        self._encode_waiting()

    def features(self, num_snippets: int) -> NDArray[np.float32] | None:
        """Audio features [T, Da] of the first snippets; None without an encoder. Call it once, at the end."""
        return None if self.encoder is None else self._rows.take(num_snippets)

    def tags(self, num_snippets: int) -> SoundTags | None:
        """Named sounds of the first snippets; None without a tagger."""
        return SoundTags.joined(self._tags).part(0, num_snippets) if self._tags else None

    def _take(self, window: NDArray[np.float32]) -> None:
        self._waiting.append(window)
        if len(self._waiting) == WINDOWS_PER_BATCH:
            self._encode_waiting()

    def _encode_waiting(self) -> None:
        if not self._waiting:
            return
        heard = self._windows.encode(np.stack(self._waiting))
        self._waiting.clear()
        if heard.features is not None:
            self._rows.append(heard.features)
        if heard.tags is not None:
            self._tags.append(heard.tags)


class StillsOnce:
    """Visual encoder wrapper that reuses the features of a snippet with the same frames as its predecessor.

    Readers return a repeated frame as the same array object, so no pixels are compared.
    """

    def __init__(self, encoder: VisualEncoder) -> None:
        self._encoder = encoder
        self._frame: Frame | None = None
        self._prepared: Prepared | None = None
        self._last: list[Prepared] = []
        self._last_rows: NDArray[np.float32] | None = None

    def prepare(self, frame: Frame) -> Prepared:
        """See base.VisualEncoder.prepare; the same array object gives the same result."""
        if self._prepared is None or frame is not self._frame:
            self._frame, self._prepared = frame, self._encoder.prepare(frame)
        return self._prepared

    def encode(self, frames: list[Prepared]) -> NDArray[np.float32]:
        """See base.VisualEncoder.encode."""
        per_snippet = len(self._encoder.frame_offsets)
        fresh: list[Prepared] = []
        picks = []  # per snippet, its index among the previous snippet and the newly encoded ones
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
