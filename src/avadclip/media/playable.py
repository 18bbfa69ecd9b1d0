"""What browsers can play: files by container, video codec and audio codec."""

from pathlib import Path

from avadclip.media.container import open_media, picture_stream, shown, sound_stream
from avadclip.media.probe import MediaFile

PIXELS = ("yuv420p", "yuvj420p")  # 8 bits; H.264 in 4:2:2 or 10 bits plays nowhere, though its name is the same
PLAYABLE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "mp4": (("h264", "av1"), ("aac", "mp3")),
    "webm": (("vp8", "vp9", "av1"), ("opus", "vorbis")),
}
"""Codecs of picture and of sound, by container."""
MEDIA_TYPES = {"mp4": "video/mp4", "webm": "video/webm"}


def media_type(path: str | Path) -> str | None:
    """Media type of the container that FFmpeg recognises in the file, whatever its name; None if browsers know none.

    Raises:
        MediaError: the file cannot be opened as a video.
    """
    with open_media(path) as container:
        formats = container.format.name.split(",")
    return next((MEDIA_TYPES[name] for name in MEDIA_TYPES if name in formats), None)


def why_unplayable(video: str | Path | MediaFile) -> str | None:
    """Name what browsers cannot play, such as `hevc in matroska`; None if every browser plays the file.

    Matroska counts only as .webm: it is the same container, but browsers differ on the rest of it. Of several audio
    tracks browsers play the first.

    Raises:
        MediaError: the file cannot be opened as a video.
    """
    media = MediaFile.open(video)
    with open_media(media.path) as container:
        picture, sound = picture_stream(container), sound_stream(container, media.sound_index)
        codec, pixels = picture.codec_context.codec.canonical_name, picture.codec_context.pix_fmt
        formats = container.format.name.split(",")
        audio_codec = None if sound is None else sound.codec_context.codec.canonical_name
        has_mute_track = sound is None and bool(container.streams.audio)
    name = "mp4" if "mp4" in formats else media.info.path.suffix.lower().removeprefix(".")
    if name not in formats or name not in PLAYABLE:
        return f"{codec} in {formats[0]}"
    pictures, sounds = PLAYABLE[name]
    if codec not in pictures:
        return f"{codec} in {name}"
    if pixels not in PIXELS:
        return f"{codec} with pixel format {pixels}"
    if has_mute_track or (audio_codec is not None and audio_codec not in sounds):
        return f"{shown(audio_codec or 'unknown codec')} audio in {name}"
    if media.info.sound is not None and media.info.sound.track not in (None, 1):
        return f"the sound of audio track {media.info.sound.track}"
    return None
