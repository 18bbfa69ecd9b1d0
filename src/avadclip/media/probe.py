"""What a video file is, from its headers."""

from dataclasses import dataclass
from pathlib import Path

from avadclip.media.container import open_media, picture_stream, sound_stream


@dataclass(frozen=True)
class SoundInfo:
    """The sound track as its header states it."""

    sample_rate_hz: int
    channels: int
    layout: str
    """FFmpeg's name: mono, stereo, 5.1, .."""


@dataclass(frozen=True)
class MediaInfo:
    """A video as its headers state it; nothing but the first pictures is decoded for it."""

    path: Path
    duration_seconds: float
    """Of the picture; sound may be shorter or longer."""
    frame_rate_hz: float
    """Average."""
    width: int
    """As shown, after rotation."""
    height: int
    rotation_degrees: int
    """Counter-clockwise turn that the file asks for: 0, 90, 180 or 270."""
    sound: SoundInfo | None
    notes: tuple[str, ...]
    """What is odd about the file, one line each."""


def probe(path: str | Path) -> MediaInfo:
    """Read what the headers say.

    Raises:
        MediaError: the file cannot be opened as a video.
    """
    with open_media(path) as container:
        stream = picture_stream(container)
        sound = sound_stream(container)
        if stream.duration is not None:
            duration = float(stream.duration * (stream.time_base or 0))
        else:
            duration = (container.duration or 0) / 1e6
        return MediaInfo(
            path=Path(path),
            duration_seconds=duration,
            frame_rate_hz=float(stream.average_rate or stream.guessed_rate or 0),
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            rotation_degrees=0,
            sound=SoundInfo(sound.sample_rate, sound.channels, sound.layout.name) if sound else None,
            notes=(),
        )
