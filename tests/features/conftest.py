"""Encoders small enough to check by hand, and feature sets made of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from avadclip.encoders.base import Encoders, Identity
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.timeline import SnippetGrid


class MeanColour:
    """Mean red, green and blue of every frame it looks at. See base.VisualEncoder."""

    name = "mean colour"
    frame_size: tuple[int, int] | None = (8, 8)
    num_crops = 1

    def __init__(self, frame_offsets: tuple[int, ...] = (0, 8), snippets_per_batch: int = 2) -> None:
        self.frame_offsets = frame_offsets
        self.snippets_per_batch = snippets_per_batch
        self.dim = 3 * len(frame_offsets)
        self.calls: list[int] = []

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        return frame

    def encode(self, frames: list) -> np.ndarray:
        assert len(frames) % len(self.frame_offsets) == 0
        assert frames
        self.calls.append(len(frames) // len(self.frame_offsets))
        rows = [frame.mean(axis=(0, 1)) for frame in frames]
        return np.array(rows, np.float32).reshape(1, -1, self.dim)

    def identity(self) -> Identity:
        return {"name": self.name, "frame_offsets": list(self.frame_offsets), "version": 1}


class Loudness:
    """Mean square of every window. See base.AudioEncoder."""

    name = "loudness"
    dim = 1
    reads_once = False
    window_seconds = 0.5

    def encode_recording(self, read_windows: Callable[[], Iterator[np.ndarray]]) -> np.ndarray:
        batches = [np.square(batch).mean(axis=1, keepdims=True) for batch in read_windows()]
        return np.concatenate(batches).astype(np.float32)

    def identity(self) -> Identity:
        return {"name": self.name, "window_seconds": self.window_seconds, "version": 1}


def fake_encoders(*, sound: bool = True, **options: object) -> Encoders:
    return Encoders("fake", MeanColour(**options), Loudness() if sound else None, text=None)


def made_features(length: int = 5, *, crops: int = 1, sound: bool = True, **changes: object) -> SnippetFeatures:
    random = np.random.default_rng(length)
    encoders = fake_encoders(sound=sound)
    values: dict[str, object] = {
        "visual": random.normal(size=(crops, length, 6)).astype(np.float32),
        "audio": random.normal(size=(length, 1)).astype(np.float32) if sound else None,
        "duration_seconds": length * 2 / 3 + 0.1,
        "provenance": Provenance(
            grid=SnippetGrid(),
            visual=encoders.visual.identity(),
            audio=None if encoders.audio is None else encoders.audio.identity(),
        ),
        "source_sha256": "ab" * 32,
        "notes": ("odd: 5 fps",),
        **changes,
    }
    return SnippetFeatures(**values)


def write_clip(
    path: Path, *, num_frames: int = 48, rate_hz: int = 24, brightness: int = 0, sound: str | None = "tone"
) -> Path:
    """Frame i is grey 4 * i + brightness; sound is a tone whose second half is louder, or silent, or missing."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("ffv1", rate=rate_hz)
        picture.width, picture.height, picture.pix_fmt = 16, 16, "bgr0"
        track = container.add_stream("pcm_s16le", rate=16_000, layout="mono") if sound else None
        for i in range(num_frames):
            grey = np.full((16, 16, 3), (4 * i + brightness) % 256, np.uint8)
            container.mux(picture.encode(av.VideoFrame.from_ndarray(grey).reformat(format="bgr0")))
        container.mux(picture.encode(None))
        if track is not None:
            seconds = np.arange(num_frames * 16_000 // rate_hz) / 16_000
            loud = np.where(seconds < seconds[-1] / 2, 0.2, 0.8) * (sound == "tone")
            samples = (32_000 * loud * np.sin(2 * np.pi * 440 * seconds)).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = 16_000
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
    return path


@pytest.fixture(scope="session", name="fake_encoders")
def _fake_encoders() -> Callable[..., Encoders]:
    return fake_encoders


@pytest.fixture(scope="session", name="made_features")
def _made_features() -> Callable[..., SnippetFeatures]:
    return made_features


@pytest.fixture(scope="session", name="write_clip")
def _write_clip() -> Callable[..., Path]:
    return write_clip
