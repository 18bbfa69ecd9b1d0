"""Short videos in every container that the tool reads, made by the ffmpeg program, for mutated_media.py to damage."""

import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av

LENGTH_SECONDS = 4.0  # six snippets of 2/3 s, so that a video joined to itself has twelve
CHANGE_SECONDS = 2.0  # calm before, agitated after
SCENE = ("-f", "lavfi", "-i", "mandelbrot=s=192x128:r=25:start_scale=2:end_scale=0.01")
SHAKEN = f"crop=96:64:'48+40*sin(37*t)*gte(t,{CHANGE_SECONDS})':'32+30*sin(51*t)*gte(t,{CHANGE_SECONDS})'"
SOUND = (
    f"0.01*sin(2*PI*220*t)+gte(t,{CHANGE_SECONDS})"
    "*(0.6*sin(2*PI*(800+500*sin(3*t))*t)*gt(sin(25*t),0)+0.2*(2*random(0)-1))"
)
SIZES = {"dvvideo": "720:576", "h263": "176:144", "rv20": "176:144"}

ENCODERS = {
    "h264": "libx264 -preset veryfast -bf 0",
    "h264-b": "libx264 -preset veryfast -bf 3 -b_strategy 0",
    "hevc": "libx265 -preset ultrafast -x265-params log-level=error:bframes=3:keyint=25",
    "av1": "libaom-av1 -cpu-used 8 -lag-in-frames 0",
    "vp8": "libvpx -deadline realtime -cpu-used 8",
    "vp9": "libvpx-vp9 -deadline realtime -cpu-used 8",
    "mpeg4": "mpeg4 -q:v 5",
    "mpeg4-b": "mpeg4 -q:v 5 -bf 2",
    "mpeg1video": "mpeg1video -bf 2",
    "mpeg2video": "mpeg2video -bf 2",
    "theora": "libtheora",
    "wrapped_avframe": "wrapped_avframe",
    **{name: name for name in ("msmpeg4", "wmv2", "flv", "h263", "rv20", "mjpeg", "ffv1", "prores", "dvvideo")},
}

CONTAINERS = {
    "mp4": ("h264 h264-b hevc av1 mpeg4", "aac"),
    "mov": ("h264-b mjpeg prores", "pcm_s16le"),
    "3gp": ("h263 mpeg4", "aac"),
    "mkv": ("h264-b hevc vp9 mpeg4-b ffv1", "flac"),
    "webm": ("vp8 vp9 av1", "libopus"),
    "avi": ("h264 mpeg4 mpeg4-b msmpeg4 mjpeg", "libmp3lame"),
    "ts": ("h264-b hevc mpeg2video", "mp2"),
    "mpg": ("mpeg1video mpeg2video", "mp2"),
    "vob": ("mpeg2video", "ac3"),
    "flv": ("flv h264-b", "libmp3lame -ar 44100"),
    "asf": ("wmv2 msmpeg4", "wmav2"),
    "ogv": ("theora", "libvorbis"),
    "nut": ("h264-b mpeg4-b ffv1", "pcm_s16le"),
    "mxf": ("mpeg2video", "pcm_s16le"),
    "dv": ("dvvideo", "pcm_s16le -ac 2"),
    "wtv": ("mpeg2video", "mp2"),
    "rm": ("rv20", "ac3"),
    "h264": ("h264 h264-b", ""),
    "hevc": ("hevc", ""),
    "m4v": ("mpeg4-b", "aac"),
    "m2v": ("mpeg2video", ""),
    "ivf": ("vp8 vp9", ""),
    "obu": ("av1", ""),
    "y4m": ("wrapped_avframe", ""),
}
"""Suffixes with their video codecs and the encoder of the sound, empty for none."""

WITHOUT_TIMES = ("h264", "hevc", "m2v", "obu", "y4m", "dv")
"""Containers whose packets follow each other without times: a missing one leaves no hole."""


@dataclass(frozen=True)
class Base:
    """One undamaged video."""

    container: str
    codec: str
    folder: Path

    @property
    def path(self) -> Path:
        """Where it lies once it is made."""
        return self.folder / f"{self.codec}.{self.container}"

    def with_codec(self, codec: str) -> "Base":
        """The same scene in the same container."""
        return Base(self.container, codec, self.folder)

    @cached_property
    def packets(self) -> list[tuple[int, int]]:
        """Position and size in bytes of its packets, as far as the demuxer knows them, in file order."""
        with av.open(str(self.path)) as container:
            packets = [packet for packet in container.demux() if packet.size]
        return sorted((packet.pos, packet.size) for packet in packets if packet.pos is not None)

    def make(self) -> None:
        """Write it, unless it is there."""
        if self.path.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        picture = f"{SHAKEN},scale={SIZES.get(self.codec, '96:64')}"
        command = ["ffmpeg", "-v", "error", "-y", *SCENE]
        sound = CONTAINERS[self.container][1]
        if sound:
            command += ["-f", "lavfi", "-i", f"aevalsrc='{SOUND}':s=48000", "-c:a", *sound.split()]
        pixels = "yuv422p10le" if self.codec == "prores" else "yuvj420p" if self.codec == "mjpeg" else "yuv420p"
        command += ["-vf", picture, "-pix_fmt", pixels, "-g", "25", "-c:v", *ENCODERS[self.codec].split()]
        command += f"-t {LENGTH_SECONDS:g} -fflags +bitexact -flags +bitexact -strict -2".split()
        part = self.path.with_name(f"part-{self.path.name}")
        subprocess.run([*command, str(part)], check=True)
        part.rename(self.path)


def all_bases(folder: Path) -> dict[str, list[Base]]:
    """By container, one for every codec."""
    return {
        container: [Base(container, codec, folder) for codec in codecs.split()]
        for container, (codecs, _) in CONTAINERS.items()
    }
