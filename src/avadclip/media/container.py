"""Opening of media files, and the checks made before any frame is decoded.

The suffix is not trusted: FFmpeg would open an image or a playlist called .mp4, and a playlist may refer to other
files. Hence the whitelists and the pixel limit at every open.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from avadclip.errors import MediaError

MAX_PIXELS = 4096 * 4096  # of one picture; 8192 x 8192 costs 349 MB for two frames

MAX_UNREAD_SHARE = 0.05  # of what was read; a few bytes may follow the last packet

# Containers of video, by FFmpeg's names: no pictures, playlists, network or devices. CCTV recorders write `dhav`.
FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,kux,asf,asf_o,ogg,nut,mxf,wtv,rm,dv,dhav,ivf,obu,"
    "h261,h263,h264,hevc,vvc,m4v,vc1,yuv4mpegpipe"
)

ASIDE_FLAGS = Disposition.comment | Disposition.visual_impaired | Disposition.descriptions
ASIDE_TITLES = ("commentary", "audio description")

_OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file", "max_pixels": str(MAX_PIXELS)}


def shown(path: str | Path) -> str:
    """Escape a path for a one-line message: line breaks and bytes that are not text."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fspath(path))


@contextmanager
def open_media(path: str | Path) -> Iterator[InputContainer]:
    """Open a video file for reading, with the video stream's header checked and nothing decoded yet.

    Raises:
        MediaError: missing, a directory, empty, no permission, not a video, no picture, or a picture above MAX_PIXELS.
    """
    _check_path(Path(path))
    try:
        # With "file:" in front, no name is taken for a protocol or an option. Old files have titles in Latin-1.
        container = av.open(f"file:{os.fspath(path)}", options=_OPTIONS, metadata_errors="replace")
    except av.FFmpegError as error:
        raise MediaError(
            f"{shown(path)} is not a video this tool reads ({error.strerror}); give a video file such as mp4, mkv or "
            "avi, and check that it plays"
        ) from error
    with container:
        check_picture_size(container, shown(path))
        yield container


def check_picture_size(container: InputContainer, name: str) -> None:
    """Raise MediaError, starting with `name`, for frames above MAX_PIXELS, before anything is decoded."""
    context = picture_stream(container).codec_context
    # FFmpeg, given the limit, reports the size of larger frames as 0 for some codecs.
    if not 0 < context.width * context.height <= MAX_PIXELS:
        raise MediaError(
            f"{name} has a frame size of {context.width}x{context.height}, supported are 1 to {MAX_PIXELS} pixels "
            "(0x0: damaged or too large); convert it to a smaller size first"
        )


@contextmanager
def readable_or_refused(path: str | Path) -> Iterator[None]:
    """Convert FFmpeg errors in the middle of a file to MediaError."""
    try:
        yield
    except av.FFmpegError as error:
        raise MediaError(
            f"{shown(path)} contains data that cannot be processed ({error.strerror}); convert it to mp4 first"
        ) from error


def picture_stream(container: InputContainer) -> VideoStream:
    """The video stream to decode: FFmpeg's best choice, never cover art, set up to use about one core."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic and _decodable(s)]
    if not streams:
        raise MediaError(f"{shown(_path(container))} has no video stream that can be decoded; give a file with video")
    best = container.streams.best("video")
    stream = next((s for s in streams if best is not None and s.index == best.index), streams[0])
    _prepare(stream)
    return stream


def sound_streams(container: InputContainer) -> list[AudioStream]:
    """The audio streams that can be decoded: FFmpeg's choice for the video stream, the others, then `is_aside` ones."""
    streams = [s for s in container.streams.audio if _decodable(s)]
    best = container.streams.best("audio", related=picture_stream(container))
    for stream in streams:
        _prepare(stream)
    return sorted(streams, key=lambda s: (is_aside(s), best is None or s.index != best.index))


def sound_stream(container: InputContainer, index: int | None = None) -> AudioStream | None:
    """The audio stream of this index, else the first of `sound_streams`; None if there is none."""
    return next((s for s in sound_streams(container) if index is None or s.index == index), None)


def is_aside(stream: AudioStream) -> bool:
    """Whether a track is a commentary or an audio description, by its flags or its title."""
    titles = f"{stream.metadata.get('title', '')} {stream.metadata.get('handler_name', '')}".lower()
    return bool(stream.disposition & ASIDE_FLAGS) or any(words in titles for words in ASIDE_TITLES)


def keep_only(container: InputContainer, *streams: Stream) -> None:
    """Let the demuxer skip every other stream."""
    wanted = {stream.index for stream in streams}
    for stream in container.streams:
        if stream.index not in wanted:
            stream.discard = Discard.all


def start_seconds(stream: Stream) -> float:
    """Start of a stream on the file's own clock by its headers, 0 if they do not state it."""
    return float((stream.start_time or 0) * (stream.time_base or 0))


def header_seconds(container: InputContainer, stream: Stream) -> float | None:
    """Length of a stream by its headers, else of the whole file, None if neither is stated."""
    if stream.duration is not None and stream.time_base:
        return float(stream.duration * stream.time_base)
    # Matroska has no such field, but its usual writers leave a tag, 01:02:03.456, that counts from the file's start.
    hours, _, rest = (stream.metadata.get("DURATION") or "").partition(":")
    minutes, _, seconds = rest.partition(":")
    try:
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - start_seconds(stream)
    except ValueError:
        return None if container.duration is None else container.duration / av.time_base


def what_is_unread(container: InputContainer, read_bytes: int) -> str | None:
    """A note on what follows the last packet, in formats that have no index there."""
    unread = Path(_path(container)).stat().st_size - read_bytes if read_bytes else 0
    if container.format.name in ("dv", "yuv4mpegpipe") and unread:  # DV's last packet is filled up
        return "the file ends inside a frame: cut off"
    if container.format.name in ("flv", "live_flv", "mpegts", "mpeg") and unread > MAX_UNREAD_SHARE * read_bytes:
        return f"reading ended {unread} bytes before the file's end: damaged, or another file follows"
    return None


def lacks_bytes(container: InputContainer) -> bool:
    """Whether an AVI file is shorter than its first bytes state (FFmpeg adapts the other lengths); else False."""
    if container.format.name != "avi":
        return False
    with Path(_path(container)).open("rb") as file:
        stated = int.from_bytes(file.read(8)[4:], "little")  # what follows `RIFF` and this number
        return os.fstat(file.fileno()).st_size < stated + 8


def _path(container: InputContainer) -> str:
    return container.name.removeprefix("file:")


def _decodable(stream: Stream) -> bool:
    return stream.codec_context is not None


def _prepare(stream: VideoStream | AudioStream) -> None:
    context = stream.codec_context
    if not context.is_open:
        # The options of the container reach the decoders that probe it, not this one.
        context.options = {"max_pixels": str(MAX_PIXELS)} if stream.type == "video" else {}
        context.thread_count = 1  # threads inside one decode cost CPU; run videos side by side instead


def _check_path(path: Path) -> None:
    name = shown(path)
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise MediaError(f"{name} does not exist; check the path") from error
    except (OSError, ValueError) as error:
        raise MediaError(f"{name} cannot be opened ({getattr(error, 'strerror', None) or error})") from error
    if stat.S_ISDIR(status.st_mode):
        raise MediaError(f"{name} is a directory, needed a video file; give the files inside it")
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(f"{name} is not a regular file (a pipe or a device); copy the video to a file first")
    if status.st_size == 0:
        raise MediaError(f"{name} is empty (0 bytes); copy or download it again")
    if not os.access(path, os.R_OK):
        raise MediaError(f"{name} may not be read by this user; change its permissions")
