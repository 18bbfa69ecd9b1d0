"""Mono from several channels, also from channels of opposite phase, whose mix is silence.

Stereo from a balanced microphone or a wrong cable holds the same sound in both channels with opposite signs. In blocks
of BLOCK_SECONDS in which the mix is far below its channels, the loudest channel takes its place.
"""

from collections.abc import Iterator
from typing import NamedTuple

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

SILENCE_DBFS = -60.0  # a track whose peak stays below this counts as silent: muted, or a dead microphone
BLOCK_SECONDS = 0.5
# The mix's power as a share of its channels' added powers: 1 for unrelated channels, 2 for equal ones, 0 for opposite
# ones. No block of 211 real stereo recordings was below the first.
CANCELLED_SHARE, MIXED_SHARE = 0.25, 0.5
HUM_SECONDS = 0.005  # a quarter of a period of 50 Hz, whose hum shall not decide, in phase or not
LOUDER_POWER = 4.0  # another channel takes over when it is 6 dB louder


class _Source(NamedTuple):
    """Row of a block, 0 for the mix, and its gain."""

    row: int
    gain: float


_MIX = _Source(0, 1.0)


class MonoMixer:
    """Resampler of frames of one format to mono.

    The channels are mixed by FFmpeg's matrix. Where they cancel each other, the output changes over to the loudest one
    within the block before, and back within the block after, at the level that the mix would have if the channels were
    in phase; elsewhere it is the mix to the bit.

    Args:
        layout: the channels.
        rate_hz: of the output.
        is_live: give out samples at once: the change takes place after the first cancelled block, not before it.
    """

    def __init__(self, layout: av.AudioLayout, rate_hz: int, *, is_live: bool = False) -> None:
        self.cancelled_seconds = 0.0
        """Length of the blocks in which a channel took the mix's place."""
        self._layout, self._rate_hz, self._is_live = layout, rate_hz, is_live
        self._weights = _mixing_weights(layout, rate_hz)  # [C]
        self._block_size = round(BLOCK_SECONDS * rate_hz)
        self._source = _MIX  # of the last measured block
        self._edge: _Source | None = None  # what was given out last
        self._held: NDArray[np.float32] | None = None  # the last measured block, until the next one is measured
        self._begin()

    def _begin(self) -> None:
        self._mix = _mono_resampler(self._rate_hz)
        self._channels = AudioResampler("flt", self._layout, self._rate_hz)
        self._rows: list[NDArray[np.float32]] = []  # [1 + C, N], the mix and the channels, not yet measured

    def add(self, frame: av.AudioFrame) -> Iterator[NDArray[np.float32]]:
        """Add a frame; yield mono samples [N], up to two blocks late."""
        yield from self._add(frame)

    def finish(self) -> Iterator[NDArray[np.float32]]:
        """Yield what is left; the next frame begins anew."""
        yield from self._add(None)
        if any(part.size for part in self._rows):
            yield from self._measure(np.concatenate(self._rows, axis=1))
        if self._held is not None:
            yield self._blend(self._held, self._source)
            self._held = None
        self._begin()

    def _add(self, frame: av.AudioFrame | None) -> Iterator[NDArray[np.float32]]:
        mix = _resampled(self._mix, frame, 1)
        if len(self._weights) == 1:
            yield mix[0]
            return
        rows = np.concatenate([mix, _resampled(self._channels, frame, len(self._weights))])
        if self._is_live:
            yield self._blend(rows, self._source)
        self._rows.append(rows)
        while sum(part.shape[1] for part in self._rows) >= self._block_size:
            block, rest = np.split(np.concatenate(self._rows, axis=1), [self._block_size], axis=1)
            self._rows = [rest]
            yield from self._measure(block)

    def _measure(self, block: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Choose the source of a block; yield the block before, whose neighbours are known by now."""
        is_short = 2 * block.shape[1] < self._block_size  # too short to judge by: the last source stays
        source = self._source if is_short else self._choose(block)
        if source != _MIX:
            self.cancelled_seconds += block.shape[1] / self._rate_hz
        if not self._is_live:
            if self._held is not None:
                yield self._blend(self._held, self._source if self._source != _MIX else source)
            self._held = block
        self._source = source

    def _choose(self, block: NDArray[np.float32]) -> _Source:
        if np.abs(block[1:]).max() < 10 ** (SILENCE_DBFS / 20):
            return self._source
        with np.errstate(invalid="ignore", over="ignore"):  # damaged samples; compared below, they mean the mix
            mix, *channels = (_without_hum(block, round(HUM_SECONDS * self._rate_hz)) ** 2).sum(axis=1)
        powers = self._weights**2 * channels
        if not mix < (CANCELLED_SHARE if self._source == _MIX else MIXED_SHARE) * powers.sum():
            return _MIX
        row = 1 + int(powers.argmax())
        if self._source != _MIX and channels[row - 1] < LOUDER_POWER * channels[self._source.row - 1]:
            row = self._source.row
        return _Source(row, float(self._weights @ np.sqrt(channels) / np.sqrt(channels[row - 1])))

    def _blend(self, block: NDArray[np.float32], end: _Source) -> NDArray[np.float32]:
        """Samples [N] of a block that begins with the source given out last, and ends with another one."""
        begin, self._edge = end if self._edge is None else self._edge, end
        samples: NDArray[np.float32] = block[0]
        if not begin == end == _MIX:
            ramp = np.linspace(0.0, 1.0, block.shape[1], endpoint=False, dtype=np.float32)
            samples = (1 - ramp) * (begin.gain * block[begin.row]) + ramp * (end.gain * block[end.row])
        return samples


def _without_hum(rows: NDArray[np.float32], num_samples: int) -> NDArray[np.float64]:
    """Rows [R, N] less their running mean: of 50 Hz a tenth is left, above 150 Hz all."""
    sums = np.cumsum(rows, axis=1, dtype=np.float64)
    means = (sums[:, num_samples:] - sums[:, :-num_samples]) / num_samples
    return rows[:, num_samples // 2 : num_samples // 2 + means.shape[1]] - means


def _mono_resampler(rate_hz: int) -> AudioResampler:
    return AudioResampler("flt", "mono", rate_hz, options={"rematrix_maxval": "1.0"})


def _resampled(resampler: AudioResampler, frame: av.AudioFrame | None, num_channels: int) -> NDArray[np.float32]:
    """Samples [C, N]; None flushes the resampler."""
    parts = [part.to_ndarray() for part in resampler.resample(frame) if part is not None]  # None: nothing to flush
    samples = parts[0] if len(parts) == 1 else np.concatenate([np.empty((1, 0), np.float32), *parts], axis=1)
    return samples.reshape(-1, num_channels).T.astype(np.float32, copy=False)


def _mixing_weights(layout: av.AudioLayout, rate_hz: int) -> NDArray[np.float64]:
    """Weight of each channel in the mono mix: what FFmpeg makes of a frame with one 1 per channel."""
    ones = np.eye(layout.nb_channels, dtype=np.float32).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(ones, format="flt", layout=layout.name)
    frame.sample_rate = rate_hz
    weights: NDArray[np.float32] = _resampled(_mono_resampler(rate_hz), frame, 1)[0]
    return weights.astype(np.float64)
