"""Damage applied to a video's frames and audio before encoding; video files are never changed.

A damaged source has the interface of the undamaged reader: `frames_at` or `windows`, then `report`.

black, dark, half covered       every frame: all zero, a fifth of every value, its left half black
muted                           digital silence
foreign                         another video's audio from its start
late                            audio delayed by 2 s
noisy                           white noise as strong as the audio, 0 dB
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from avadclip.media.audio import LOWEST_DBFS, SoundReader, SoundReport
from avadclip.media.track import SAMPLE_RATE_HZ
from avadclip.media.video import VideoReader, VideoReport

PictureDamage = Literal["black", "dark", "half covered"]
SoundDamage = Literal["muted", "foreign", "late", "noisy"]
DamageName = PictureDamage | SoundDamage
DAMAGES: tuple[DamageName, ...] = (*get_args(PictureDamage), *get_args(SoundDamage))

DARK_SHARE = 0.2  # of every pixel value that is left
DELAY_SECONDS = 2.0

Pixels = NDArray[np.uint8]
"""RGB, [H, W, 3]."""
Samples = NDArray[np.float32]
"""[N], mono at SAMPLE_RATE_HZ."""


def _blacken(frame: Pixels) -> Pixels:
    """Set every pixel to black."""
    return np.zeros_like(frame)


def _darken(frame: Pixels) -> Pixels:
    """Scale every value to a fifth."""
    dark: Pixels = np.rint(frame * DARK_SHARE).astype(np.uint8)
    return dark


def _cover_half(frame: Pixels) -> Pixels:
    """Set the left half to black (the smaller half of an odd width); a centre crop is half covered too."""
    covered = frame.copy()
    covered[:, : frame.shape[1] // 2] = 0
    return covered


PICTURE_DAMAGES: dict[PictureDamage, Callable[[Pixels], Pixels]] = {
    "black": _blacken,
    "dark": _darken,
    "half covered": _cover_half,
}


class PictureSource(Protocol):
    """Interface of a VideoReader, damaged or not."""

    @property
    def report(self) -> VideoReport:
        """See VideoReader.report."""
        ...

    def frames_at(self, times: Iterable[float]) -> Iterator[Pixels]:
        """See VideoReader.frames_at."""
        ...


class SoundSource(Protocol):
    """Interface of a SoundReader, damaged or not."""

    @property
    def report(self) -> SoundReport:
        """See SoundReader.report."""
        ...

    def windows(self, centres: Iterable[float], window_seconds: float) -> Iterator[Samples]:
        """See SoundReader.windows."""
        ...


class DamagedPicture:
    """Video reader that damages every frame."""

    def __init__(self, reader: VideoReader, damage: PictureDamage) -> None:
        self._reader = reader
        self._change = PICTURE_DAMAGES[damage]

    @property
    def report(self) -> VideoReport:
        """Report of the undamaged video."""
        return self._reader.report

    def frames_at(self, times: Iterable[float]) -> Iterator[Pixels]:
        """See VideoReader.frames_at."""
        for frame in self._reader.frames_at(times):
            yield self._change(frame)


class MutedSound:
    """Audio reader that returns digital silence."""

    def __init__(self, reader: SoundReader) -> None:
        self._reader = reader

    @property
    def report(self) -> SoundReport:
        """Report of the undamaged audio, with the level of silence."""
        return replace(self._reader.report, peak_dbfs=LOWEST_DBFS)

    def windows(self, centres: Iterable[float], window_seconds: float) -> Iterator[Samples]:
        """See SoundReader.windows."""
        for window in self._reader.windows(centres, window_seconds):
            yield np.zeros_like(window)


class ForeignSound:
    """Audio reader that returns another video's audio from its start, repeated if it is shorter.

    Args:
        donor: reads the other video.
        length_seconds: of the other video.
    """

    def __init__(self, donor: SoundReader, length_seconds: float) -> None:
        self._donor = donor
        self._length_seconds = length_seconds

    @property
    def report(self) -> SoundReport:
        """Report of the other video's audio."""
        return self._donor.report

    def windows(self, centres: Iterable[float], window_seconds: float) -> Iterator[Samples]:
        """See SoundReader.windows. A window across the other video's end contains silence there."""
        length = self._length_seconds
        for lap, own in itertools.groupby(centres, key=lambda centre: int(centre // length)):
            yield from self._donor.windows((centre - lap * length for centre in own), window_seconds)


class LateSound:
    """Audio reader with a delay of DELAY_SECONDS, preceded by silence."""

    def __init__(self, reader: SoundReader) -> None:
        self._reader = reader

    @property
    def report(self) -> SoundReport:
        """Report of the audio without the delay."""
        return self._reader.report

    def windows(self, centres: Iterable[float], window_seconds: float) -> Iterator[Samples]:
        """See SoundReader.windows."""
        return self._reader.windows((centre - DELAY_SECONDS for centre in centres), window_seconds)


class NoisySound:
    """Audio reader that adds white noise of the audio's mean power (0 dB) for the length of the video.

    The mean is taken over the length of the picture; silence stays silence. Sums beyond full scale are not clipped.

    Args:
        reader: reads the sound.
        length_seconds: of the picture.
        seed: of the noise, which is the same in every pass and wherever windows overlap.
    """

    def __init__(self, reader: SoundReader, length_seconds: float, seed: int) -> None:
        self._reader = reader
        self._num_samples = round(length_seconds * SAMPLE_RATE_HZ)
        self._seed = seed
        self._deviation: float | None = None

    @property
    def report(self) -> SoundReport:
        """Report of the audio without the noise."""
        return self._reader.report

    def windows(self, centres: Iterable[float], window_seconds: float) -> Iterator[Samples]:
        """See SoundReader.windows."""
        if self._deviation is None:
            self._deviation = self._root_mean_square()
        size = round(window_seconds * SAMPLE_RATE_HZ)
        at, passed_on = itertools.tee(centres)
        for centre, window in zip(at, self._reader.windows(passed_on, window_seconds), strict=True):
            start = round(centre * SAMPLE_RATE_HZ) - size // 2  # as SoundReader places it
            yield window + np.float32(self._deviation) * self._noise(start, size)

    def _root_mean_square(self) -> float:
        energy, rate = 0.0, SAMPLE_RATE_HZ
        seconds = -(-self._num_samples // rate)
        for second, window in enumerate(self._reader.windows((k + 0.5 for k in range(seconds)), 1.0)):
            energy += float(np.square(window[: self._num_samples - second * rate], dtype=np.float64).sum())
        return float(np.sqrt(energy / self._num_samples))

    def _noise(self, start: int, size: int) -> Samples:
        """White noise of unit power for the samples [start, start + size), zeros outside the picture's time."""
        noise = np.zeros(size, dtype=np.float32)
        first, last = max(start, 0), min(start + size, self._num_samples)
        for second in range(first // SAMPLE_RATE_HZ, -(-last // SAMPLE_RATE_HZ)):
            place = second * SAMPLE_RATE_HZ
            block = np.random.default_rng([self._seed, second]).standard_normal(SAMPLE_RATE_HZ, dtype=np.float32)
            begin, end = max(first, place), min(last, place + SAMPLE_RATE_HZ)
            noise[begin - start : end - start] = block[begin - place : end - place]
        return noise
