"""Videos with flashes and beeps at known times, in many containers, codecs and clocks, by the ffmpeg program."""

import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from avadclip.media.audio import SoundReader
from avadclip.media.listener import SoundListener
from avadclip.media.probe import MediaFile
from avadclip.media.video import VideoReader

EVENTS_SECONDS = (2.0, 6.0)  # of both, 0.2 s long
LENGTH_SECONDS = 8.0
STEP_SECONDS = 0.01  # of what is measured
SIZES = {"dvvideo": "720x576", "h263": "176x144", "dnxhd": "1280x720", "rv20": "176x144"}

ENCODERS = {
    "h264": "-c:v libx264 -preset veryfast -bf 0 -g 25",
    "h264-b": "-c:v libx264 -preset veryfast -bf 3 -b_strategy 0 -g 25",
    "h264-interlaced": "-c:v libx264 -preset veryfast -flags +ildct+ilme -g 25",
    "hevc": "-c:v libx265 -preset ultrafast -x265-params log-level=error:bframes=3:b-adapt=0:keyint=25",
    "av1": "-c:v libaom-av1 -cpu-used 8 -lag-in-frames 0",
    "vp8": "-c:v libvpx -deadline realtime -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 10",
    "vp9": "-c:v libvpx-vp9 -deadline realtime -cpu-used 8",
    "mpeg4": "-c:v mpeg4 -q:v 5",
    "mpeg4-b": "-c:v mpeg4 -q:v 5 -bf 2",
    "mpeg1video": "-c:v mpeg1video -bf 2",
    "mpeg2video": "-c:v mpeg2video -bf 2",
    "msmpeg4": "-c:v msmpeg4",
    "theora": "-c:v libtheora",
    **{
        name: f"-c:v {name}"
        for name in ("wmv2", "flv", "h263", "rv20", "mjpeg", "ffv1", "huffyuv", "qtrle", "rawvideo")
    },
    "prores": "-c:v prores",
    "wrapped_avframe": "-c:v wrapped_avframe -pix_fmt yuv420p",
    "dvvideo": "-c:v dvvideo -pix_fmt yuv420p",
    "dnxhd": "-c:v dnxhd -b:v 60M -pix_fmt yuv422p",
}

CONTAINERS = {
    "mp4": ("h264 h264-b h264-interlaced hevc av1 vp9 mpeg4 mpeg4-b mpeg2video mjpeg", "aac"),
    "mov": ("h264-b prores qtrle mjpeg rawvideo", "pcm_s16le"),
    "mkv": ("h264 h264-b hevc vp8 vp9 mpeg4-b mpeg2video theora wmv2 mjpeg ffv1 huffyuv rawvideo", "flac"),
    "webm": ("vp8 vp9 av1", "libopus"),
    "avi": ("h264 h264-b hevc mpeg4 mpeg4-b msmpeg4 mpeg2video mjpeg ffv1 huffyuv rawvideo dvvideo", "pcm_s16le"),
    "ts": ("h264 h264-b h264-interlaced hevc mpeg2video mpeg4-b", "mp2"),
    "mpg": ("mpeg1video mpeg2video h264-b", "mp2"),
    "vob": ("mpeg2video", "ac3"),
    "flv": ("flv h264 h264-b", "libmp3lame -ar 44100"),
    "asf": ("wmv2 msmpeg4 mpeg4-b h264-b", "wmav2"),
    "ogv": ("theora", "libvorbis"),
    "nut": ("h264-b hevc mpeg4-b ffv1", "pcm_s16le"),
    "mxf": ("mpeg2video dnxhd", "pcm_s16le"),
    "dv": ("dvvideo", "pcm_s16le -ac 2"),
    "3gp": ("h263 mpeg4", "aac"),
    "wtv": ("mpeg2video", "mp2"),
    "rm": ("rv20", "ac3"),
    "h264": ("h264-b", ""),
    "hevc": ("hevc", ""),
    "m4v": ("mpeg4-b", ""),
    "m2v": ("mpeg2video", ""),
    "ivf": ("vp8 vp9", ""),
    "obu": ("av1", ""),
    "y4m": ("wrapped_avframe", ""),
}
"""Suffixes with their video codecs and the encoder of the sound, empty for none."""

MOV = ("mp4", "mov", "3gp")
FREE = ("mkv", "flv", "nut", "ts", "mp4")  # whose times may go as they like


@dataclass(frozen=True)
class Clock:
    """What is odd about the times of a file."""

    containers: tuple[str, ...]
    picture_filter: str = ""
    sound_filter: str = ""
    options: str = ""
    """Of the output."""
    rate: str = "25"
    first_picture: float = 0.0
    """Seconds of the scene before it."""
    codecs: tuple[str, ...] = ()
    """Only these; all if empty."""


CLOCKS = {
    "plain": Clock(tuple(CONTAINERS)),
    "ntsc": Clock(("mp4", "mkv", "avi", "ts", "mpg", "mxf"), rate="30000/1001"),
    "50": Clock(("mp4", "avi", "ts", "flv"), rate="50"),
    "10": Clock(("mp4", "mkv", "avi", "asf"), rate="10"),
    "starts at 100 s": Clock(("mp4", "mkv", "ts", "flv", "nut"), options="-output_ts_offset 100"),
    "wraps": Clock(("ts",), options="-output_ts_offset 95439.7 -muxdelay 0"),
    "sound 0.7 s late": Clock(("mp4", "mov", "mkv", "ts", "flv", "asf", "nut", "mpg"), sound_filter="atrim=start=0.7"),
    "picture 0.7 s late": Clock(
        ("mp4", "mov", "mkv", "ts", "flv", "nut", "mpg"), picture_filter="trim=start=0.7", first_picture=0.72
    ),
    "half of the pictures": Clock(
        ("mp4", "mkv", "webm", "ts", "flv", "nut"),
        picture_filter="select='lt(t,4)+not(mod(n,2))'",
        options="-fps_mode vfr",
    ),
    "pause of 3 s": Clock(
        ("mp4", "mkv", "webm", "ts", "flv"), picture_filter="select='lt(t,2.5)+gte(t,5.5)'", options="-fps_mode vfr"
    ),
    "jump of two hours": Clock(
        FREE,
        picture_filter="setpts='PTS+gte(T,4)*7200/TB'",
        sound_filter="asetpts='PTS+gte(T,4)*7200/TB'",
        options="-fps_mode passthrough",
    ),
    "joined": Clock(("ts", "mpg", "vob", "dv", "h264", "m2v")),
    "fragments": Clock(("mp4", "mov"), options="-movflags frag_keyframe+empty_moov"),
    "negative ctts": Clock(("mp4",), options="-movflags negative_cts_offsets", codecs=("h264-b", "hevc")),
    "no edit list": Clock(("mp4",), options="-use_editlist 0"),
    "no ctts": Clock(("mp4", "mov"), codecs=("h264-b", "hevc", "mpeg4-b")),
    "two parts": Clock(("mp4", "mov"), codecs=("h264", "h264-b", "hevc", "mpeg4", "prores")),
    "a part twice": Clock(("mp4", "mov"), codecs=("h264", "h264-b", "hevc")),
    "m2ts": Clock(("ts",), options="-mpegts_m2ts_mode 1"),
}
PARTS = {"two parts": ((0.0, 3.0), (5.0, 8.0)), "a part twice": ((0.0, 4.0), (1.0, 8.0))}
"""Of the scene, as edit lists name them; the key frames lie a second apart."""


@dataclass(frozen=True)
class Combination:
    """One video."""

    container: str
    codec: str
    clock: str

    @property
    def name(self) -> str:
        return f"{self.container} {self.codec} {self.clock}"

    @property
    def due_seconds(self) -> list[float]:
        """Times of both flashes, and of both beeps where there is sound, from the first picture."""
        clock = CLOCKS[self.clock]
        if self.clock in PARTS:
            starts, before = [], 0.0
            for first, end in PARTS[self.clock]:
                starts += [before + event - first for event in EVENTS_SECONDS if first <= event < end]
                before += end - first
            return starts
        if self.clock == "joined":
            return [*EVENTS_SECONDS, *(LENGTH_SECONDS + event for event in EVENTS_SECONDS)]
        return [event - clock.first_picture for event in EVENTS_SECONDS]

    @property
    def has_sound(self) -> bool:
        return bool(CONTAINERS[self.container][1])

    @property
    def frame_seconds(self) -> float:
        rate, _, divisor = CLOCKS[self.clock].rate.partition("/")
        step = int(divisor or 1) / int(rate)
        return 2 * step if self.clock == "half of the pictures" else step


def combinations() -> Iterator[Combination]:
    """Every codec of every container with a plain clock, and what bears on the clock with the odd ones."""
    for clock_name, clock in CLOCKS.items():
        for container in clock.containers:
            codecs = CONTAINERS[container][0].split()
            chosen = [codec for codec in codecs if not clock.codecs or codec in clock.codecs]
            if clock_name != "plain" and not clock.codecs:
                reordered = [codec for codec in chosen if codec.endswith("-b") or codec in ("hevc", "mpeg2video")]
                chosen = (reordered or chosen)[:2]
            yield from (Combination(container, codec, clock_name) for codec in chosen)


def make(ffmpeg: str, combination: Combination, folder: Path) -> Path:
    """Write it."""
    clock = CLOCKS[combination.clock]
    path = folder / f"video.{combination.container}"
    flashes = "+".join(f"gte(t,{start - 0.001})*lt(t,{start + 0.199})" for start in EVENTS_SECONDS)
    beeps = "+".join(f"between(t,{start},{start + 0.2})" for start in EVENTS_SECONDS)
    size = SIZES.get(combination.codec, "64x48")
    picture = ",".join(filter(None, [f"drawbox=t=fill:color=white:enable='{flashes}'", clock.picture_filter]))
    command = [ffmpeg, "-v", "error", "-y"]
    command += ["-f", "lavfi", "-i", f"color=c=black:s={size}:r={clock.rate}:d={LENGTH_SECONDS}"]
    sound_codec = CONTAINERS[combination.container][1]
    if sound_codec:
        tone = f"0.005*sin(2*PI*220*t)+0.6*sin(2*PI*1000*t)*({beeps})"
        command += ["-f", "lavfi", "-i", f"aevalsrc='{tone}':s=48000:d={LENGTH_SECONDS}"]
        command += ["-af", clock.sound_filter or "anull", "-c:a", *sound_codec.split()]
    command += ["-vf", picture, *ENCODERS[combination.codec].split(), "-strict", "-2"]
    tag = ["-vtag", "HEVC"] if (combination.container, combination.codec) == ("avi", "hevc") else []
    command += [*tag, *clock.options.split(), str(path)]
    subprocess.run(command, check=True, capture_output=True)
    if combination.clock == "joined":
        path.write_bytes(path.read_bytes() * 2)
    if combination.clock == "no ctts":
        content = path.read_bytes()
        assert b"ctts" in content
        path.write_bytes(content.replace(b"ctts", b"free"))
    if combination.clock in PARTS:
        path.write_bytes(with_edit_lists(path.read_bytes(), PARTS[combination.clock]))
    return path


@dataclass(frozen=True)
class Measured:
    """What the readers made of it."""

    flashes: list[float]
    beeps: list[float]
    length_seconds: float
    notes: tuple[str, ...]


def measure(path: Path, *, has_sound: bool) -> Measured:
    """Times at which the picture turns white and the sound loud, in seconds, as extraction reads them."""
    media = MediaFile.open(path)
    levels: list[float] = []
    centres = ((step + 0.5) * STEP_SECONDS for step in count())
    listener = SoundListener(centres, STEP_SECONDS, lambda window: levels.append(float(np.sqrt((window**2).mean()))))
    reader = VideoReader(media, frame_size=(16, 16), listener=listener if has_sound else None)
    times = (step * STEP_SECONDS for step in count())
    brightness = [float(frame.mean()) for frame in reader.frames_at(times)]
    notes = [*media.info.notes, *reader.report.notes]
    if has_sound:
        listener.fill(len(brightness))
        if listener.report is None:  # the sound runs too far ahead of the picture: it is read alone
            sound = SoundReader(media)
            centres = ((step + 0.5) * STEP_SECONDS for step in range(len(brightness)))
            levels = [float(np.sqrt((window**2).mean())) for window in sound.windows(centres, STEP_SECONDS)]
        report = listener.report or sound.report
        notes += [note for note in report.notes if note not in notes]
    return Measured(onsets(brightness, 120), onsets(levels, 0.2), reader.report.duration_seconds, tuple(notes))


def onsets(curve: list[float], threshold: float) -> list[float]:
    """Times at which it passes the threshold after half a second below."""
    found, last = [], -1.0
    for step, value in enumerate(curve):
        if value > threshold:
            if step * STEP_SECONDS - last > 0.5:
                found.append(round(step * STEP_SECONDS, 2))
            last = step * STEP_SECONDS
    return found


def with_edit_lists(content: bytes, parts: tuple[tuple[float, float], ...]) -> bytes:
    """The MP4, whose index is at its end, with every track's edit list replaced by these parts of the scene."""
    start, size = next((start, size) for kind, start, size in _boxes(content, 0, len(content)) if kind == b"moov")
    moov = content[start : start + size]
    ticks = {kind: moov[first : first + length] for kind, first, length in _boxes(moov, 8, len(moov))}
    movie_hz = struct.unpack(">I", ticks[b"mvhd"][20:24])[0]
    children = b""
    for kind, first, length in _boxes(moov, 8, len(moov)):
        box = moov[first : first + length]
        children += _edited(box, movie_hz, parts) if kind == b"trak" else box
    return content[:start] + _box(b"moov", children) + content[start + size :]


def _edited(track: bytes, movie_hz: int, parts: tuple[tuple[float, float], ...]) -> bytes:
    boxes = {kind: track[first : first + length] for kind, first, length in _boxes(track, 8, len(track))}
    media = boxes[b"mdia"]
    header = next(
        media[first : first + length] for kind, first, length in _boxes(media, 8, len(media)) if kind == b"mdhd"
    )
    track_hz = struct.unpack(">I", header[20:24])[0]
    delay = max(struct.unpack(">i", boxes[b"edts"][28:32])[0], 0) if b"edts" in boxes else 0
    entries = [
        struct.pack(">IiI", round((end - first) * movie_hz), round(first * track_hz) + delay, 1 << 16)
        for first, end in parts
    ]
    boxes[b"edts"] = _box(b"edts", _box(b"elst", struct.pack(">II", 0, len(parts)) + b"".join(entries)))
    return _box(b"trak", b"".join(boxes.values()))


def _boxes(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while start < end:
        size, kind = struct.unpack(">I4s", content[start : start + 8])
        yield kind, start, size
        start += size


def _box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload
