"""Good videos to damage: two snippets of numbered pictures with a tone from the first to the last."""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from ...media.made_videos import Sound, write_video

NUM_FRAMES = 40
SECONDS = NUM_FRAMES / 24

CODECS = {
    "mp4": ("libx264", "aac"),
    "index first": ("libx264", "aac"),
    "mkv": ("libx264", "aac"),
    "ts": ("libx264", "aac"),
    "flv": ("libx264", "aac"),
    "avi": ("mpeg4", "libmp3lame"),
}
"""Of every form of sample: codecs of picture and sound."""


def tone(seconds: float = SECONDS, rate_hz: int = 48_000, channels: int = 1) -> NDArray[np.float32]:
    """[channels, N], a loud tone."""
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate_hz)) / rate_hz)
    return np.tile(wave.astype(np.float32), (channels, 1))


def suffix_of(form: str) -> str:
    """Of the file's name, without the dot."""
    return "mp4" if form == "index first" else form


@cache
def sample(form: str) -> bytes:
    """The content of a good video of this form."""
    picture, sound = CODECS[form]
    with tempfile.TemporaryDirectory() as folder:
        path = write_video(
            Path(folder) / f"a.{suffix_of(form)}",
            num_frames=NUM_FRAMES,
            codec=picture,
            codec_options={"g": "12"},
            sound=Sound(tone(), codec=sound),
            container_options={"movflags": "faststart"} if form == "index first" else None,
        )
        return path.read_bytes()


def with_content(form: str, change: Callable[[bytearray], bytes | bytearray]) -> Callable[[Path], Path]:
    """Builder of a sample whose content went through `change`."""

    def build(folder: Path) -> Path:
        path = folder / f"a.{suffix_of(form)}"
        path.write_bytes(change(bytearray(sample(form))))
        return path

    return build


def video(name: str = "a.mkv", **options: object) -> Callable[[Path], Path]:
    """Builder of a video with the tone, as write_video makes it with these options."""

    def build(folder: Path) -> Path:
        usual = {"num_frames": NUM_FRAMES, "codec_options": {"g": "12"}, "sound": Sound(tone())}
        return write_video(folder / name, **{**usual, **options})

    return build


def replaced(content: bytearray, old: bytes, new: bytes) -> bytearray:
    """The content with one part replaced by another of its length; it has to be there."""
    assert content.count(old) >= 1, old
    assert len(old) == len(new)
    return content.replace(old, new)


def remuxed(
    name: str, pick: Callable[[av.container.InputContainer, av.container.OutputContainer], None], form: str = "mkv"
) -> Callable[[Path], Path]:
    """Builder of a file that `pick` fills from a sample, packet by packet."""

    def build(folder: Path) -> Path:
        (folder / "source").write_bytes(sample(form))
        with av.open(str(folder / "source")) as source, av.open(str(folder / name), "w") as target:
            pick(source, target)
        (folder / "source").unlink()
        return folder / name

    return build
