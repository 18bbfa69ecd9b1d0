"""A video whose grey tells the time, and a made-up detection of it."""

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avadclip.inference.detector import Detection
from avadclip.media.probe import probe

SECONDS, RATE_HZ, SIZE = 40, 5, (96, 160)
TONE_HZ = 440


def grey_at(seconds: float) -> int:
    """Grey value of the picture shown at this time."""
    return 30 + round(200 * int(seconds * RATE_HZ) / (SECONDS * RATE_HZ))


def write_clock_video(path: Path, *, codec: str = "libx264", late_seconds: int = 0) -> Path:
    """Grey pictures over a tone; the pictures begin `late_seconds` after it."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream(codec, rate=RATE_HZ)
        picture.height, picture.width = SIZE
        picture.pix_fmt = "yuv420p"
        track = container.add_stream("aac", rate=48_000, layout="stereo")
        for index in range(SECONDS * RATE_HZ):
            grey = np.full((*SIZE, 3), grey_at(index / RATE_HZ), dtype=np.uint8)
            shown = av.VideoFrame.from_ndarray(grey)
            shown.pts, shown.time_base = index + late_seconds * RATE_HZ, Fraction(1, RATE_HZ)
            container.mux(picture.encode(shown))
            container.mux(track.encode(_tone(index)))
        container.mux(picture.encode(None))
        container.mux(track.encode(None))
    return path


def _tone(index: int) -> av.AudioFrame:
    """The stretch of sound as long as one picture."""
    count = 48_000 // RATE_HZ
    times = (np.arange(count) + index * count) / 48_000
    samples = np.tile(0.3 * np.sin(2 * np.pi * TONE_HZ * times), (2, 1)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
    frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), index * count
    return frame


@pytest.fixture(scope="session")
def clock_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clock_video(tmp_path_factory.mktemp("video") / "yard.mp4")


@pytest.fixture(scope="session")
def hevc_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clock_video(tmp_path_factory.mktemp("video") / "yard.mkv", codec="libx265")


@pytest.fixture(scope="session")
def late_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clock_video(tmp_path_factory.mktemp("video") / "yard.mp4", late_seconds=2)


@pytest.fixture(scope="session")
def detection_of(made_up: Callable[..., Detection]) -> Callable[..., Detection]:
    """A detection nobody measured, of a video that is there."""

    def make(video: Path, **fields: object) -> Detection:
        made = made_up(60, source=str(video), classes=("normal", "fighting", "car accident"))
        track = dataclasses.replace(made.track, end_seconds=float(SECONDS))
        return dataclasses.replace(made, media=probe(video), track=track, **fields)

    return make


@pytest.fixture(scope="session")
def clock_grey() -> Callable[[float], int]:
    return grey_at
