"""Decoded audio as mono samples at 16 kHz, positioned on the video's clock."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from avadclip.media.mono import MonoMixer

SAMPLE_RATE_HZ = 16_000  # what every audio encoder here was made for
JITTER_SECONDS = 0.015  # timestamps off by less are continuous sound; one lost AAC packet is 0.021 s

MAX_SAMPLE = 16.0  # full scale is 1; a sample beyond this, or NaN, is damaged
RATES_HZ = (1_000, 768_000)  # lowest and highest plausible; at 1 Hz, a kilobyte would become megabytes


class SoundBlock(NamedTuple):
    """Samples [N] and the position of the first one, in samples since the video's zero."""

    start: int
    samples: NDArray[np.float32]

    @property
    def end(self) -> int:
        """Position after the last sample."""
        return self.start + len(self.samples)

    def copy_into(self, window: NDArray[np.float32], window_start: int) -> None:
        """Copy the samples that overlap a window [N] which begins at window_start."""
        first, last = max(window_start, self.start), min(window_start + len(window), self.end)
        if first < last:
            window[first - window_start : last - window_start] = self.samples[first - self.start : last - self.start]


class Track:
    """Resampler that positions decoded audio frames by timestamp.

    Within a stretch of continuous timestamps samples are counted, so that rounded timestamps tear no holes; only a step
    of more than JITTER_SECONDS ends the stretch and places the next one anew, which also stops slow drift.

    Args:
        tick_seconds: unit of the frames' timestamps.
        is_live: see MonoMixer.
    """

    def __init__(self, tick_seconds: float, *, is_live: bool = False) -> None:
        self.start = 0
        self.end = 0
        """Position after the last sample so far."""
        self.num_gaps = 0
        self.gap_seconds = 0.0
        self.num_formats = 0
        self.num_damaged = 0
        """Samples that were not finite or far beyond full scale, set to 0."""
        self.impossible_rate_hz: int | None = None
        """Sample rate of the ignored frames; see RATES_HZ."""
        self._tick = tick_seconds
        self._is_live = is_live
        self._mixer: MonoMixer | None = None
        self._cancelled_seconds = 0.0  # of earlier formats
        self._format: tuple[str, str, int] | None = None
        self._position = 0  # of the next sample to come out of the resampler
        self._expected = 0.0  # timestamp of the next frame if sound is continuous, seconds

    @property
    def cancelled_seconds(self) -> float:
        """Length of the sound whose channels cancel each other; see MonoMixer."""
        return self._cancelled_seconds + (0.0 if self._mixer is None else self._mixer.cancelled_seconds)

    def place(self, frames: Iterable[av.AudioFrame]) -> Iterator[SoundBlock]:
        """Yield ascending, non-overlapping blocks from frames whose timestamps are on the video's clock."""
        for frame in frames:
            yield from self.add(frame)
        yield from self.finish()

    def add(self, frame: av.AudioFrame) -> Iterator[SoundBlock]:
        """Add a frame and yield the finished blocks; see MonoMixer for the delay."""
        if not RATES_HZ[0] <= frame.sample_rate <= RATES_HZ[1]:
            self.impossible_rate_hz = frame.sample_rate
            return
        start = self._expected if frame.pts is None else frame.pts * self._tick
        if self._mixer is None or self._changed(frame) or abs(start - self._expected) > JITTER_SECONDS:
            yield from self.finish()
            self._begin(start, frame)
        self._expected += frame.samples / frame.sample_rate
        if self._mixer is not None:
            yield from self._put(self._mixer.add(frame))

    def _changed(self, frame: av.AudioFrame) -> bool:
        return self._format != _format_of(frame)

    def _begin(self, start: float, frame: av.AudioFrame) -> None:
        position = round(start * SAMPLE_RATE_HZ)
        if self._mixer is None:
            self.start = self.end = position
        elif start - self._expected > JITTER_SECONDS:
            self.num_gaps += 1
            self.gap_seconds += start - self._expected
        if self._changed(frame):
            self.num_formats += 1
            self._cancelled_seconds = self.cancelled_seconds
            self._mixer = MonoMixer(frame.layout, SAMPLE_RATE_HZ, is_live=self._is_live)
        self._format = _format_of(frame)
        self._position = position
        self._expected = start

    def finish(self) -> Iterator[SoundBlock]:
        """Yield what the mixer still holds."""
        if self._mixer is not None:
            yield from self._put(self._mixer.finish())

    def _put(self, parts: Iterator[NDArray[np.float32]]) -> Iterator[SoundBlock]:
        for part in parts:
            damaged = ~(np.abs(part) <= MAX_SAMPLE)  # so that a NaN counts
            self.num_damaged += int(damaged.sum())
            samples = np.where(damaged, np.float32(0), part) if damaged.any() else part
            overlap = min(max(self.end - self._position, 0), len(samples))
            block = SoundBlock(self._position + overlap, samples[overlap:])
            self._position += len(samples)
            if len(block.samples):
                self.end = block.end
                yield block


def _format_of(frame: av.AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate
