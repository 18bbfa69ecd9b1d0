"""A video whose grey tells the time, and a made-up detection of it."""

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avadclip.detection import Detection
from avadclip.media.probe import probe

SECONDS, RATE_HZ, SIZE = 40, 5, (96, 160)
TONE_HZ = 440


def grey_at(seconds: float) -> int:
    """Grey value of the picture shown at this time."""
    return 30 + round(200 * int(seconds * RATE_HZ) / (SECONDS * RATE_HZ))


def write_clock_video(path: Path, *, codec: str = "libx264", sound: str | None = "aac") -> Path:
    with av.open(str(path), "w") as container:
        picture = container.add_stream(codec, rate=RATE_HZ)
        picture.height, picture.width = SIZE
        picture.pix_fmt = "yuv420p"
        track = container.add_stream(sound, rate=48_000, layout="stereo") if sound else None
        for index in range(SECONDS * RATE_HZ):
            grey = np.full((*SIZE, 3), grey_at(index / RATE_HZ), dtype=np.uint8)
            container.mux(picture.encode(av.VideoFrame.from_ndarray(grey)))
            if track:
                count = 48_000 // RATE_HZ
                times = (np.arange(count) + index * count) / 48_000
                tone = np.tile(0.3 * np.sin(2 * np.pi * TONE_HZ * times), (2, 1)).astype(np.float32)
                frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="stereo")
                frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), index * count
                container.mux(track.encode(frame))
        container.mux(picture.encode(None))
        if track:
            container.mux(track.encode(None))
    return path


@pytest.fixture(scope="session")
def clock_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clock_video(tmp_path_factory.mktemp("video") / "yard.mp4")


@pytest.fixture(scope="session")
def hevc_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clock_video(tmp_path_factory.mktemp("video") / "yard.mkv", codec="libx265")


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
