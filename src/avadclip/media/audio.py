"""Audio on the video's clock: mono, 16 kHz, in windows; the whole track is never in memory."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from avadclip.errors import MediaError
from avadclip.media.container import keep_only, open_media, picture_stream, readable_or_refused, shown, sound_stream
from avadclip.media.decode import ChangingDecoder, DecodeCount, readable
from avadclip.media.mono import SILENCE_DBFS
from avadclip.media.probe import MediaFile
from avadclip.media.times.clock import Clock, longest_pause, sound_packets
from avadclip.media.track import SAMPLE_RATE_HZ, SoundBlock, Track
from avadclip.media.windows import WindowCutter

if TYPE_CHECKING:
    from av.packet import Packet

LOWEST_DBFS = -120.0  # reported for digital silence, whose true level is minus infinity
MAX_REST_SECONDS = 600.0  # of a track after the last window, decoded for the report
LATE_SECONDS = 0.1  # a start this far from the picture's is noted; encoders shift it by some 0.02 s


@dataclass(frozen=True)
class SoundReport:
    """Findings of one pass over the sound track; times in seconds on the video's clock."""

    start_seconds: float
    end_seconds: float
    peak_dbfs: float
    """Loudest sample of the mono mix, 0 is full scale; LOWEST_DBFS for digital silence."""
    num_gaps: int
    """Stretches inside the track without sound, filled with zeros."""
    undecodable_share: float
    """Share of packets that failed to decode, [0, 1]."""
    notes: tuple[str, ...]
    """Irregularities, one line each."""

    @property
    def silent(self) -> bool:
        """Whether the track exists but is silent, which is not the same as no track."""
        return self.peak_dbfs < SILENCE_DBFS


class SoundReader:
    """Reads the sound of one video as windows around given times; each call of `windows` opens the file once.

    Channels are mixed to mono by FFmpeg's matrix, scaled so that full scale stays full scale: stereo becomes its mean;
    of 5.1, the centre counts most, the front pair 3 dB less, the rear pair 6 dB less, the subwoofer not at all. Where
    channels cancel each other, the loudest one is used: see MonoMixer.
    """

    def __init__(self, path: str | Path | MediaFile) -> None:
        self.media = MediaFile.open(path)
        self._report: SoundReport | None = None

    @property
    def has_sound(self) -> bool:
        """See MediaFile.has_sound."""
        return self.media.has_sound

    @property
    def report(self) -> SoundReport:
        """Findings of the last complete pass; RuntimeError before the first one is complete."""
        if self._report is None:
            raise RuntimeError("the report is known once windows() has been read to its end")
        return self._report

    def windows(self, centres: Iterable[float], window_seconds: float) -> Iterator[NDArray[np.float32]]:
        """Yield one window of audio per centre, zeros where the track has no samples; each call is a new pass.

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
        cutter = WindowCutter(centres, window_seconds)
        path = self.media.path
        with open_media(path) as container:
            stream = sound_stream(container, self.media.sound_index)
            if stream is None:
                raise MediaError(f"{shown(path)} has no sound track; use a model that needs none")
            picture = picture_stream(container)
            streams = (picture, stream)  # the picture's packets, never decoded, show where the clock of both jumps
            keep_only(container, *streams)
            clock = Clock(picture, self.media.zero_seconds, longest_pause=longest_pause(container, picture))
            track = SoundDecoder(stream)
            with readable_or_refused(path):
                for packet in sound_packets(readable(container.demux(streams), track.count), picture, clock):
                    for block in track.decode(packet):
                        yield from cutter.add(block)
                    if cutter.is_done and track.end_seconds - cutter.end_seconds > MAX_REST_SECONDS:
                        track.is_cut_short = True
                        break
                for block in track.finish():
                    yield from cutter.add(block)
                yield from cutter.rest()
            self._report = track.report(clock.num_jumps)


class SoundDecoder:
    """Decodes a sound track packet by packet and reports on it.

    Args:
        stream: of a container that stays open while packets come.
    """

    def __init__(self, stream: AudioStream) -> None:
        self._track = Track(float(stream.time_base or 0))
        self._peak = 0.0
        self.count = DecodeCount()
        self._decoder = ChangingDecoder(stream, self.count)
        self.is_cut_short = False
        """Whether more of it was there than was read."""

    @property
    def end_seconds(self) -> float:
        """End of the audio decoded so far, in seconds."""
        return self._track.end / SAMPLE_RATE_HZ

    def decode(self, packet: "Packet[Any]") -> Iterator[SoundBlock]:
        """Decode one packet, whose timestamps are on the video's clock, into blocks of samples."""
        if packet.size:  # the demuxer's own flush packet has none
            yield from self._place(self._decoder.decode(packet))

    def finish(self) -> Iterator[SoundBlock]:
        """Flush the decoder and the resampler at the end of the file."""
        yield from self._place(self._decoder.flush())
        yield from self._measure(self._track.finish())

    def _place(self, frames: list[Any]) -> Iterator[SoundBlock]:
        for frame in frames:
            yield from self._measure(self._track.add(frame))

    def _measure(self, blocks: Iterator[SoundBlock]) -> Iterator[SoundBlock]:
        for block in blocks:
            self._peak = max(self._peak, float(np.abs(block.samples).max()))
            yield block

    def report(self, num_jumps: int) -> SoundReport:
        """Of all that was decoded, on a clock that jumped this often."""
        track = self._track
        return SoundReport(
            start_seconds=track.start / SAMPLE_RATE_HZ,
            end_seconds=self.end_seconds,
            peak_dbfs=max(20 * math.log10(self._peak), LOWEST_DBFS) if self._peak > 0 else LOWEST_DBFS,
            num_gaps=track.num_gaps,
            undecodable_share=self.count.failed_share,
            notes=tuple(self._notes(num_jumps)),
        )

    def _notes(self, num_jumps: int) -> Iterator[str]:
        start = self._track.start / SAMPLE_RATE_HZ
        if abs(start) > LATE_SECONDS:
            yield f"audio starts {abs(start):.2f} s {'after' if start > 0 else 'before'} the video"
        if self._track.end == self._track.start:
            yield "audio track present, but no packet of it could be decoded"
        elif self.count.num_failed:
            yield f"{self.count.num_failed} of {self.count.num_packets} audio packets could not be decoded"
        complaint = self.count.complaint("audio")
        if complaint is not None:
            yield complaint
        yield from self._decoder.changes
        if self._track.num_damaged:
            yield f"{self._track.num_damaged} audio samples are not finite or far out of range; replaced by silence"
        if self._track.impossible_rate_hz is not None:
            yield f"audio ignored: implausible sample rate ({self._track.impossible_rate_hz} Hz)"
        if self.count.read_error:
            yield f"audio reading stopped early: {self.count.read_error}"
        if self.is_cut_short:
            yield f"audio continues long after the video; read up to {self.end_seconds:.0f} s"
        if self._track.num_gaps:
            yield f"audio gaps filled with silence: {self._track.num_gaps}, {self._track.gap_seconds:.2f} s in total"
        if self._track.cancelled_seconds:
            seconds = f"{self._track.cancelled_seconds:.1f} s"
            yield f"audio channels of opposite phase cancel each other in mono: the louder one is used for {seconds}"
        if num_jumps:
            yield f"timestamps restart {num_jumps} times (joined file?); times continue across the restarts"
        if self._track.num_formats > 1:
            yield f"audio sample rate or channels change {self._track.num_formats - 1} times"
