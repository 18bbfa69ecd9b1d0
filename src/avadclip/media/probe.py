"""Properties of a video file, from its headers and its first frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from avadclip.media.container import (
    header_seconds,
    keep_only,
    open_media,
    picture_stream,
    sound_stream,
    start_seconds,
)
from avadclip.media.decode import DecodeCount, decode, readable
from avadclip.media.pixels import quarter_turns

PROBE_PACKETS = 64  # of the picture, read until the first one decodes
START_SECONDS = 0.1  # sound that starts this far from the picture is noted
END_SECONDS = 0.5  # sound that ends this far from the picture's end is noted


@dataclass(frozen=True)
class SoundInfo:
    """Properties of the sound track, from its header."""

    sample_rate_hz: int
    channels: int
    layout: str
    """FFmpeg's name: mono, stereo, 5.1, ..; "6 channels" if the file does not define the layout."""


@dataclass(frozen=True)
class MediaInfo:
    """Properties of a video, from its headers and its first frame."""

    path: Path
    duration_seconds: float
    """Length of the video stream; audio may be shorter or longer. Joined transport streams state too little."""
    frame_rate_hz: float
    """Average; 0 if the file does not state it."""
    width: int
    """In pixels, as shown, after rotation."""
    height: int
    rotation_degrees: int
    """Counter-clockwise rotation flag of the file: 0, 90, 180 or 270."""
    sound: SoundInfo | None
    notes: tuple[str, ...]
    """Irregularities of the file, one line each."""


def probe(path: str | Path) -> MediaInfo:
    """Read the headers and decode the first picture; where no length is stated, read the packets' timestamps too.

    Raises:
        MediaError: the file cannot be opened as a video.
    """
    with open_media(path) as container:
        stream = picture_stream(container)
        sound = sound_stream(container)
        notes = [*_stream_notes(container, stream), *_sound_notes(container, stream, sound)]
        duration = header_seconds(container, stream)
        width, height = stream.codec_context.width, stream.codec_context.height
        rate_hz = float(stream.average_rate or stream.guessed_rate or 0)
        first = _first_picture(container, stream)
    rotation = 90 * quarter_turns(first) if first is not None else 0
    notes += _picture_notes(first)
    if duration is None:
        duration = _packet_seconds(path, rate_hz)
        notes.append(f"the header states no duration; the packets add up to {duration:.2f} s")
    if rotation % 180:
        width, height = height, width
    return MediaInfo(
        path=Path(path),
        duration_seconds=duration,
        frame_rate_hz=rate_hz,
        width=width,
        height=height,
        rotation_degrees=rotation,
        sound=None if sound is None else SoundInfo(sound.sample_rate, sound.channels, sound.layout.name),
        notes=tuple(notes),
    )


def _first_picture(container: InputContainer, stream: VideoStream) -> av.VideoFrame | None:
    keep_only(container, stream)
    count = DecodeCount()
    packets = islice(readable(container.demux(stream), count), PROBE_PACKETS)
    return next(decode(packets, stream.codec_context, count), None)


def _packet_seconds(path: str | Path, rate_hz: float) -> float:
    """Length of the picture from the timestamps of its packets, or from their number where they have none."""
    first, last, num_packets = None, 0.0, 0
    with open_media(path) as container:
        stream = picture_stream(container)
        keep_only(container, stream)
        for packet in readable(container.demux(stream), DecodeCount()):
            num_packets += packet.size > 0
            if packet.pts is not None:
                start = float(packet.pts * packet.time_base)
                first = start if first is None else min(first, start)
                last = max(last, start + float((packet.duration or 0) * packet.time_base))
    if first is not None:
        return last - first
    return num_packets / rate_hz if rate_hz else 0.0


def _stream_notes(container: InputContainer, stream: VideoStream) -> Iterator[str]:
    others = len(container.streams.video) - 1
    if others:
        yield f"{others} more video streams (cover art counts as one) are ignored"
    average, base = float(stream.average_rate or 0), float(stream.base_rate or 0)
    # Interlaced video states its fields, twice the frames.
    timed = stream.start_time is not None
    if timed and average and base and all(abs(base / average - ratio) > 0.01 for ratio in (1, 2)):
        yield f"variable frame rate, {average:.2f} frames/s on average"
    aspect = stream.sample_aspect_ratio
    if aspect and aspect != 1:
        yield f"pixels are not square ({aspect.numerator}:{aspect.denominator}); frames are not stretched"


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


def _sound_notes(container: InputContainer, picture: VideoStream, sound: AudioStream | None) -> Iterator[str]:
    if sound is None:
        if container.streams.audio:
            yield "audio ignored: its format cannot be decoded"
        return
    if len(container.streams.audio) > 1:
        yield f"{len(container.streams.audio)} audio tracks, one is used"
    late = start_seconds(sound) - start_seconds(picture)
    if abs(late) > START_SECONDS:
        yield f"audio starts {abs(late):.2f} s {'after' if late > 0 else 'before'} the video"
    length, picture_length = header_seconds(container, sound), header_seconds(container, picture)
    if length is None or picture_length is None:
        return
    longer = late + length - picture_length
    if abs(longer) > END_SECONDS:
        yield f"audio ends {abs(longer):.2f} s {'after' if longer > 0 else 'before'} the video"
