"""Frames, windows of sound and a short video, the same in every run."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from avadclip.encoders.base import Frame, Windows
from avadclip.media.track import SAMPLE_RATE_HZ

VIDEO_SECONDS = 2.5
FRAME_RATE_HZ = 24


def noise_frames(num_frames: int, size: tuple[int, int], seed: int = 0) -> list[Frame]:
    """Frames of noise, all different; size: (height, width)."""
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(num_frames)]


def plain_frames(num_frames: int, size: tuple[int, int], level: int) -> list[Frame]:
    """Frames of one grey, 0 black to 255 white."""
    return [np.full((*size, 3), level, np.uint8) for _ in range(num_frames)]


def sound_windows(num_windows: int, window_seconds: float) -> Windows:
    """Windows of noise of very different loudness; every third one is silent."""
    random = np.random.default_rng(0)
    samples = random.uniform(-1.0, 1.0, (num_windows, round(window_seconds * SAMPLE_RATE_HZ)))
    loudness = 10.0 ** random.uniform(-3.0, 0.0, (num_windows, 1))
    loudness[2::3] = 0.0
    windows: Windows = (loudness * samples).astype(np.float32)
    return windows


def write_video(path: Path) -> Path:
    """Write a small video: a bright square that moves, and a tone that swells; 2.5 s."""
    with av.open(str(path), "w", format="matroska") as container:
        picture = container.add_stream("mpeg4", rate=FRAME_RATE_HZ)
        picture.width, picture.height, picture.pix_fmt = 96, 64, "yuv420p"
        track = container.add_stream("pcm_s16le", rate=SAMPLE_RATE_HZ, layout="mono")
        for index in range(round(VIDEO_SECONDS * FRAME_RATE_HZ)):
            pixels = np.full((64, 96, 3), 40, np.uint8)
            pixels[16:48, index : index + 32] = 220
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            frame.pts = index
            container.mux(picture.encode(frame))
            sound = av.AudioFrame.from_ndarray(_tone(index)[None], format="s16", layout="mono")
            sound.sample_rate, sound.pts = SAMPLE_RATE_HZ, index * SAMPLE_RATE_HZ // FRAME_RATE_HZ
            container.mux(track.encode(sound))
        container.mux(picture.encode(None))
        container.mux(track.encode(None))
    return path


def _tone(index: int) -> NDArray[np.int16]:
    """The samples under one frame."""
    first, end = (number * SAMPLE_RATE_HZ // FRAME_RATE_HZ for number in (index, index + 1))
    time = np.arange(first, end) / SAMPLE_RATE_HZ
    tone: NDArray[np.int16] = (12_000 * time / VIDEO_SECONDS * np.sin(2 * np.pi * 440 * time)).astype(np.int16)
    return tone
