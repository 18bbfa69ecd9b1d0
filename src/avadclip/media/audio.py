"""Sound on the video's clock: mono, 16 kHz, in windows, never held as a whole."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from avadclip.errors import MediaError
from avadclip.media.clock import Clock, longest_pause, may_jump, sound_packets, zero_seconds
from avadclip.media.container import keep_only, open_media, picture_stream, readable_or_refused, shown, sound_stream
from avadclip.media.decode import DecodeCount, decode, readable
from avadclip.media.track import SAMPLE_RATE_HZ, Block, Track

SILENCE_DBFS = -60.0  # a track whose peak stays below this says nothing: muted, or a dead microphone
LOWEST_DBFS = -120.0  # reported for digital silence, whose true level is minus infinity
MISSING_SECONDS = 0.5  # sound that ends this much before the last window's centre is noted
MAX_REST_SECONDS = 600.0  # of a track that goes on after the last window, read for the report
LATE_SECONDS = 0.1  # a start this far from the picture's is noted; encoders shift it by some 0.02 s


@dataclass(frozen=True)
class SoundReport:
    """What one pass over the sound track found; seconds on the video's clock."""

    start_seconds: float
    end_seconds: float
    peak_dbfs: float
    """Loudest sample of the mono mix, 0 is full scale; LOWEST_DBFS for digital silence."""
    num_gaps: int
    """Stretches inside the track without sound, filled with zeros."""
    undecodable_share: float
    """Share of packets that failed to decode, [0, 1]."""
    notes: tuple[str, ...]
    """What was odd, one line each."""

    @property
    def silent(self) -> bool:
        """There is a track, but nothing to hear on it: not the same as no track."""
        return self.peak_dbfs < SILENCE_DBFS


class SoundReader:
    """Reads the sound of one video as windows around given times.

    Channels are mixed to mono by FFmpeg's matrix, scaled so that full scale stays full scale: stereo becomes its mean;
    of 5.1, the centre counts most, the front pair 3 dB less, the rear pair 6 dB less, the subwoofer not at all.
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

        After the last window up to MAX_REST_SECONDS of the track are read too, for the report.

        Args:
            centres: ascending seconds on the video's clock, whose zero is the first picture; finite.
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
            run = _Pass(container, stream, zero_seconds(self.path))
            with readable_or_refused(self.path):
                yield from _cut(run.blocks(), run.follow(centres), round(window_seconds * SAMPLE_RATE_HZ))
            self._report = run.report()


def _cut(blocks: Iterator[Block], centres: Iterable[float], num_samples: int) -> Iterator[NDArray[np.float32]]:
    """Windows [num_samples] from ascending blocks, holding only those that a window still needs."""
    held: deque[Block] = deque()
    last = 0
    for centre in centres:
        start = round(centre * SAMPLE_RATE_HZ) - num_samples // 2
        while not held or held[-1].end < start + num_samples:
            block = next(blocks, None)
            if block is None:
                break
            held.append(block)
            while len(held) > 1 and held[0].end <= start:
                held.popleft()
        while len(held) > 1 and held[0].end <= start:
            held.popleft()
        window = np.zeros(num_samples, dtype=np.float32)
        for block in held:
            block.copy_into(window, start)
        yield window
        last = start + num_samples
    for block in blocks:
        if block.start > last + MAX_REST_SECONDS * SAMPLE_RATE_HZ:
            break


class _Pass:
    """One run through the packets of a sound track."""

    def __init__(self, container: InputContainer, stream: AudioStream, zero: float) -> None:
        picture = picture_stream(container)
        # Reading the picture's packets costs little where files may jump; elsewhere they can be skipped unread.
        self._with_picture = may_jump(container)
        keep_only(container, stream, *([picture] if self._with_picture else []))
        self._container = container
        self._picture = picture
        self._stream = stream
        self._clock = Clock(picture, zero, longest_pause=longest_pause(container, picture))
        self._count = DecodeCount()
        self._track = Track(float(stream.time_base or 0))
        self._peak = 0.0
        self._last_centre = 0.0

    def follow(self, centres: Iterable[float]) -> Iterator[float]:
        """The same times; the last one tells how long the sound should have been."""
        for centre in centres:
            self._last_centre = centre
            yield centre

    def blocks(self) -> Iterator[Block]:
        """The sound in ascending blocks; what lies between them is silence."""
        streams = (self._picture, self._stream) if self._with_picture else (self._stream,)
        packets = sound_packets(readable(self._container.demux(streams), self._count), self._picture, self._clock)
        for block in self._track.place(decode(packets, self._stream.codec_context, self._count)):
            self._peak = max(self._peak, float(np.abs(block.samples).max()))
            yield block

    def report(self) -> SoundReport:
        track = self._track
        return SoundReport(
            start_seconds=track.start / SAMPLE_RATE_HZ,
            end_seconds=track.end / SAMPLE_RATE_HZ,
            peak_dbfs=max(20 * math.log10(self._peak), LOWEST_DBFS) if self._peak > 0 else LOWEST_DBFS,
            num_gaps=track.num_gaps,
            undecodable_share=self._count.failed_share,
            notes=tuple(self._notes()),
        )

    def _notes(self) -> Iterator[str]:
        start = self._track.start / SAMPLE_RATE_HZ
        if abs(start) > LATE_SECONDS:
            yield f"sound starts {abs(start):.2f} s {'after' if start > 0 else 'before'} the picture"
        if self._track.end == self._track.start:
            yield "no packet of the sound track could be decoded"
        elif self._count.num_failed:
            yield f"{self._count.num_failed} of {self._count.num_packets} sound packets could not be decoded"
        if self._track.num_damaged:
            yield f"{self._track.num_damaged} samples of sound are no numbers or far too loud; silence instead"
        if self._track.impossible_rate_hz is not None:
            yield f"sound of {self._track.impossible_rate_hz} samples a second is none, and left out"
        if self._count.read_error:
            yield f"reading the sound stopped early: {self._count.read_error}"
        end = self._track.end / SAMPLE_RATE_HZ
        if end - self._last_centre > MAX_REST_SECONDS:
            yield f"sound goes on long after the picture; read up to {end:.0f} s"
        if self._track.end > self._track.start and self._last_centre - end > MISSING_SECONDS:
            yield f"sound ends at {end:.2f} s; silence stands in for the rest"
        if self._track.num_gaps:
            yield f"{self._track.num_gaps} gaps, {self._track.gap_seconds:.2f} s in all, filled with silence"
        if self._clock.num_jumps:
            yield f"timestamps restart {self._clock.num_jumps} times (joined file?); the clock continues across them"
        if self._track.num_formats > 1:
            yield f"sample rate or channels change {self._track.num_formats - 1} times"
