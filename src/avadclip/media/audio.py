"""Sound on the video's clock: mono, 16 kHz, in windows, never held as a whole."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from avadclip.errors import MediaError
from avadclip.media.container import keep_only, open_media, picture_stream, shown, sound_stream
from avadclip.media.decode import DecodeCount, decode, readable

SAMPLE_RATE_HZ = 16_000  # what every audio encoder here was made for
SILENCE_DBFS = -60.0  # a track whose peak stays below this says nothing: muted, or a dead microphone
LOWEST_DBFS = -120.0  # reported for digital silence, whose true level is minus infinity
JITTER_SECONDS = 0.015  # timestamps off by less are continuous sound; one lost AAC packet is 0.021 s


@dataclass(frozen=True)
class SoundReport:
    """What one pass over the sound track found; seconds on the video's clock."""

    start_seconds: float
    end_seconds: float
    peak_dbfs: float
    """Loudest sample of the mono mix, 0 is full scale; LOWEST_DBFS for digital silence."""
    num_gaps: int
    """Stretches inside the track without sound, filled with zeros."""
    notes: tuple[str, ...]

    @property
    def silent(self) -> bool:
        """There is a track, but nothing on it: not the same as no track."""
        return self.peak_dbfs < SILENCE_DBFS


class _Block(NamedTuple):
    """Samples [N] and the place of the first one on the video's clock, in samples."""

    start: int
    samples: NDArray[np.float32]

    @property
    def end(self) -> int:
        return self.start + len(self.samples)


class SoundReader:
    """Reads the sound of one video as windows around given times.

    Channels are mixed to mono by FFmpeg's matrix, scaled so that full scale stays full scale: stereo becomes its mean; of
    5.1, the centre counts most, the front pair 3 dB less, the rear pair 6 dB less, and the subwoofer is left out.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self._report: SoundReport | None = None
        with open_media(path) as container:
            self.has_sound = sound_stream(container) is not None

    @property
    def report(self) -> SoundReport:
        """What the last complete pass found; raises RuntimeError before one is complete."""
        if self._report is None:
            raise RuntimeError("the report is known once windows() has been read to its end")
        return self._report

    def windows(self, centres: Iterable[float], window_seconds: float) -> Iterator[NDArray[np.float32]]:
        """One window of sound per centre, zeros where the track has nothing; each call is a fresh pass.

        Args:
            centres: ascending seconds on the video's clock, whose zero is the first picture.
            window_seconds: length of a window; windows may overlap.

        Yields:
            [round(window_seconds * SAMPLE_RATE_HZ)] float32, nominally within [-1, 1].

        Raises:
            MediaError: the file cannot be opened or has no sound track.
        """
        self._report = None
        with open_media(self.path) as container:
            stream = sound_stream(container)
            if stream is None:
                raise MediaError(f"{shown(self.path)} has no sound track; use a model that needs none")
            run = _Pass(container, stream)
            yield from run.cut(centres, round(window_seconds * SAMPLE_RATE_HZ))
            self._report = run.report()


class _Pass:
    """One run through the packets of a sound track."""

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self._container = container
        self._stream = stream
        self._count = DecodeCount()
        self._start: int | None = None
        self._end = 0
        self._peak = 0.0
        self._num_gaps = 0

    def cut(self, centres: Iterable[float], num_samples: int) -> Iterator[NDArray[np.float32]]:
        blocks = self._blocks()
        held: deque[_Block] = deque()
        for centre in centres:
            start = round(centre * SAMPLE_RATE_HZ) - num_samples // 2
            while not held or held[-1].end < start + num_samples:
                block = next(blocks, None)
                if block is None:
                    break
                held.append(block)
                while held and held[0].end <= start:
                    held.popleft()
            while held and held[0].end <= start:
                held.popleft()
            yield _window(held, start, num_samples)
        for _ in blocks:  # the report is about the whole track
            pass

    def _blocks(self) -> Iterator[_Block]:
        picture = picture_stream(self._container)
        keep_only(self._container, self._stream)
        zero = float((picture.start_time or 0) * (picture.time_base or 0))
        time_base = float(self._stream.time_base or 0)
        resampler: AudioResampler | None = None
        position = 0
        expected = -math.inf
        packets = readable(self._container.demux(self._stream), self._count)
        for frame in decode(packets, self._stream.codec_context, self._count):
            start = frame.pts * time_base - zero if frame.pts is not None else expected
            if abs(start - expected) > JITTER_SECONDS:
                if resampler is not None:
                    yield from self._emit(resampler.resample(None), position)
                    self._num_gaps += start > expected
                resampler = _resampler()
                position = round(start * SAMPLE_RATE_HZ)
                expected = start
            expected += frame.samples / frame.sample_rate
            for block in self._emit(resampler.resample(frame), position):
                position = block.end
                yield block
        if resampler is not None:
            yield from self._emit(resampler.resample(None), position)

    def _emit(self, frames: list[av.AudioFrame], position: int) -> Iterator[_Block]:
        for frame in frames:
            samples = frame.to_ndarray().reshape(-1).astype(np.float32, copy=False)
            if len(samples) == 0:
                continue
            self._start = position if self._start is None else self._start
            self._peak = max(self._peak, float(np.abs(samples).max()))
            yield _Block(position, samples)
            position += len(samples)
            self._end = position

    def report(self) -> SoundReport:
        peak_dbfs = max(20 * math.log10(self._peak), LOWEST_DBFS) if self._peak > 0 else LOWEST_DBFS
        start = (self._start or 0) / SAMPLE_RATE_HZ
        return SoundReport(start, self._end / SAMPLE_RATE_HZ, peak_dbfs, self._num_gaps, ())


def _resampler() -> AudioResampler:
    return AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ, options={"rematrix_maxval": "1.0"})


def _window(blocks: Iterable[_Block], start: int, num_samples: int) -> NDArray[np.float32]:
    window = np.zeros(num_samples, dtype=np.float32)
    for block in blocks:
        first, last = max(start, block.start), min(start + num_samples, block.end)
        if first < last:
            window[first - start : last - start] = block.samples[first - block.start : last - block.start]
    return window
