"""Properties of a video file, from its headers and its first frame."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.container import InputContainer
from av.logging import Capture
from av.video.stream import VideoStream

from avadclip.media.audio_choice import AudioChoice, choose_audio
from avadclip.media.container import (
    header_seconds,
    keep_only,
    open_media,
    picture_stream,
    start_seconds,
)
from avadclip.media.decode import DecodeCount, decode, readable
from avadclip.media.pixels import quarter_turns
from avadclip.media.times.frame_rate import frame_rate_hz

if TYPE_CHECKING:
    from av.packet import Packet

PROBE_PACKETS = 64  # of the picture, read until the first one decodes
DATED_BY_DECODING = ("avi",)  # formats whose only times are those of decoding; FFmpeg adds a delay for reordering
ZERO_PACKETS = 16  # of the picture, read to find the first one shown; B-frames reorder fewer
START_SECONDS = 0.1  # sound that starts this far from the picture is noted
END_SECONDS = 0.5  # sound that ends this far from the picture's end is noted


@dataclass(frozen=True)
class SoundInfo:
    """Properties of the audio track in use, from its header."""

    sample_rate_hz: int
    channels: int
    layout: str
    """FFmpeg's name: mono, stereo, 5.1, ..; "6 channels" if the file does not define the layout."""
    track: int | None = None
    """Its place among the file's audio tracks, counted from 1; None in results of 0.1.0."""


@dataclass(frozen=True)
class MediaInfo:
    """Properties of a video, from its headers and its first frame."""

    path: Path
    duration_seconds: float
    """Length of the video stream; audio may be shorter or longer. Joined transport streams state too little."""
    frame_rate_hz: float
    """Average; 0 if the file does not state it. See frame_rate.py."""
    width: int
    """In pixels, as shown, after rotation."""
    height: int
    rotation_degrees: int
    """Counter-clockwise rotation flag of the file: 0, 90, 180 or 270."""
    sound: SoundInfo | None
    notes: tuple[str, ...]
    """Irregularities of the file, one line each."""


@dataclass(frozen=True)
class MediaFile:
    """A video file and the facts that its readers start from, found in one opening and passed to all of them.

    Whatever reads a video takes a path or a MediaFile; code that reads one several times opens it once:

        media = MediaFile.open("lobby.mp4")
        pictures, sound = VideoReader(media), SoundReader(media)
    """

    path: str | Path
    """As the caller wrote it."""
    info: MediaInfo
    zero_seconds: float
    """Time of the first picture on the file's own clock, 0 where pictures carry no time."""
    delay_seconds: float = 0.0
    """What FFmpeg adds to the times of its pictures, and not of its sound."""
    sound_index: int | None = None
    """Index of the audio stream in use; None where there is none."""
    audio_track: int | None = None
    """The audio track that was asked for, counted from 1; None for the choice of `choose_audio`."""

    @property
    def has_sound(self) -> bool:
        """Whether there is a sound track that can be decoded; it may be silent."""
        return self.info.sound is not None

    @classmethod
    def open(cls, path: "str | Path | MediaFile", *, audio_track: int | None = None) -> "MediaFile":
        """Read the headers and decode the first picture; where no length is stated, read all its packets' timestamps.

        Args:
            path: a video file; a MediaFile is returned as it is.
            audio_track: the audio track to use, counted from 1; by default the first that is not silent.

        Raises:
            MediaError: the file cannot be opened as a video, or has no such audio track.
        """
        if isinstance(path, MediaFile):
            return path
        with Capture() as log, open_media(path) as container:
            return _read_facts(path, container, audio_track, log)


def probe(path: str | Path) -> MediaInfo:
    """What the file is; see MediaFile.open.

    Raises:
        MediaError: the file cannot be opened as a video.
    """
    return MediaFile.open(path).info


def _read_facts(
    path: str | Path, container: InputContainer, audio_track: int | None, log: list[tuple[int, str, str]]
) -> MediaFile:
    stream, choice = picture_stream(container), choose_audio(path, container, audio_track)
    notes = [*_stream_notes(container, stream), *_sound_notes(container, stream, choice)]
    duration = header_seconds(container, stream)
    width, height = stream.codec_context.width, stream.codec_context.height
    complaint = next((text.strip() for _, name, text in log if name == container.format.name), None)
    if complaint:
        notes.append(f"the file's headers have errors, the first one: {complaint}")
    keep_only(container, stream)
    packets = _TimedPackets(readable(container.demux(stream), DecodeCount()))
    first = next(decode(islice(packets, PROBE_PACKETS), stream.codec_context, DecodeCount()), None)
    rotation = 90 * quarter_turns(first) if first is not None else 0
    notes += _picture_notes(first)
    zero = packets.read_zero_seconds()
    delay = packets.delay_seconds if container.format.name in DATED_BY_DECODING else 0.0
    rate_hz = frame_rate_hz(stream, packets.starts)
    notes += _rate_notes(stream, rate_hz)
    if duration is None:
        duration = packets.read_length_seconds(rate_hz)
        notes.append(f"the header states no duration; the packets add up to {duration:.2f} s")
    if rotation % 180:
        width, height = height, width
    info = MediaInfo(
        path=Path(path),
        duration_seconds=duration,
        frame_rate_hz=rate_hz,
        width=width,
        height=height,
        rotation_degrees=rotation,
        sound=None if choice is None else _sound_info(choice),
        notes=tuple(notes),
    )
    return MediaFile(path, info, zero - delay, delay, None if choice is None else choice.stream.index, audio_track)


def _sound_info(choice: AudioChoice) -> SoundInfo:
    stream = choice.stream
    return SoundInfo(stream.sample_rate, stream.channels, stream.layout.name, choice.number)


class _TimedPackets:
    """The picture's packets in file order; keeps the timestamps of those that were read."""

    def __init__(self, packets: "Iterator[Packet[Any]]") -> None:
        self._packets = packets
        self._num_read = 0
        self._num_with_content = 0
        self.starts: list[float] = []
        """Of the first ZERO_PACKETS, without those that are not shown."""
        self._decoded_at = math.inf
        self._first: float | None = None
        self._last = 0.0

    def __iter__(self) -> "Iterator[Packet[Any]]":
        for packet in self._packets:
            self._num_read += 1
            self._num_with_content += packet.size > 0
            if packet.pts is not None:
                self._add_time(packet, packet.pts * packet.time_base)
            yield packet

    def _add_time(self, packet: "Packet[Any]", start: Fraction) -> None:
        if self._num_read <= ZERO_PACKETS and not packet.is_discard:
            self.starts.append(float(start))
            decoded_at = packet.pts if packet.dts is None else packet.dts
            self._decoded_at = min(self._decoded_at, float((decoded_at or 0) * packet.time_base))
        seconds = float(start)
        self._first = seconds if self._first is None else min(self._first, seconds)
        self._last = max(self._last, seconds + float((packet.duration or 0) * packet.time_base))

    def read_zero_seconds(self) -> float:
        """See MediaFile.zero_seconds; reads on to ZERO_PACKETS.

        From the packets: the header's start is that of the first decoded, not the first shown picture in AVI, and can
        be that of the sound in Matroska.
        """
        for _ in islice(self, max(ZERO_PACKETS - self._num_read, 0)):
            pass
        return min(self.starts, default=0.0)

    @property
    def delay_seconds(self) -> float:
        """Time of the first picture shown after that of the first one decoded."""
        return min(self.starts) - self._decoded_at if self.starts else 0.0

    def read_length_seconds(self, rate_hz: float) -> float:
        """Length of the picture from all timestamps, or from the number of packets where they have none."""
        for _ in self:
            pass
        if self._first is not None:
            return self._last - self._first
        return self._num_with_content / rate_hz if rate_hz else 0.0


def _stream_notes(container: InputContainer, stream: VideoStream) -> Iterator[str]:
    others = len(container.streams.video) - 1
    if others:
        yield f"{others} more video streams (cover art counts as one) are ignored"
    aspect = stream.sample_aspect_ratio
    if aspect and aspect != 1:
        yield f"pixels are not square ({aspect.numerator}:{aspect.denominator}); frames are not stretched"


def _rate_notes(stream: VideoStream, rate_hz: float) -> Iterator[str]:
    base = float(stream.base_rate or 0)
    is_timed = stream.start_time is not None
    # Interlaced video states its fields, twice the frames.
    if is_timed and rate_hz and base and all(abs(base / rate_hz - ratio) > 0.01 for ratio in (1, 2)):
        yield f"variable frame rate, {rate_hz:.2f} frames/s on average"


def _picture_notes(first: av.VideoFrame | None) -> Iterator[str]:
    if first is None:
        yield f"no frame could be decoded from the first {PROBE_PACKETS} packets"
        return
    if first.rotation:
        yield f"rotation flag: rotated {first.rotation % 360} degrees counter-clockwise"
    if first.interlaced_frame:
        yield "interlaced"
    bits = first.format.components[0].bits
    if bits > 8:
        yield f"{bits} bits per colour, converted to 8"


def _sound_notes(container: InputContainer, picture: VideoStream, choice: AudioChoice | None) -> Iterator[str]:
    if choice is None:
        if container.streams.audio:
            yield "audio ignored: its format cannot be decoded"
        return
    if choice.note is not None:
        yield choice.note
    sound = choice.stream
    late = start_seconds(sound) - start_seconds(picture)
    if abs(late) > START_SECONDS:
        yield f"audio starts {abs(late):.2f} s {'after' if late > 0 else 'before'} the video"
    length, picture_length = header_seconds(container, sound), header_seconds(container, picture)
    if length is None or picture_length is None:
        return
    longer = late + length - picture_length
    if abs(longer) > END_SECONDS:
        yield f"audio ends {abs(longer):.2f} s {'after' if longer > 0 else 'before'} the video"
