"""A detector whose features can be read off a picture: brightness and loudness, judged by small untrained networks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from avadclip.apps.live.live_snippet import LiveSnippet
from avadclip.config import NetworkConfig
from avadclip.encoders.base import Encoders, Identity, SoundTags, TaggedSound
from avadclip.events import SoundRule, Thresholds
from avadclip.features.extract import provenance_of
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader
from avadclip.inference.detector import Detector
from avadclip.inference.networks import build_network
from avadclip.inference.scorers import TrainedScorer, Verdict
from avadclip.inference.scoring import SnippetScores
from avadclip.timeline import SnippetGrid

from ...media.conftest import _click_at, _make_video, _number_of, _numbered_picture, _sound_track  # noqa: F401  fixtures

torch.set_num_threads(1)

CLASSES = ("normal", "fighting", "riot")
GRID = SnippetGrid()
SECONDS = GRID.snippet_seconds


class Brightness:
    """How bright the first frame of a snippet is, 0 to 1. See base.VisualEncoder."""

    name = "brightness"
    dim = 1
    frame_offsets: tuple[int, ...] = (0, 8)
    frame_size: tuple[int, int] | None = (32, 32)
    num_crops = 1
    snippets_per_batch = 3

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        return frame

    def encode(self, frames: list) -> np.ndarray:
        return np.array([[frame.mean() / 255] for frame in frames[:: len(self.frame_offsets)]], np.float32)[None]

    def identity(self) -> Identity:
        return {"name": self.name, "version": 1}


class Loudness:
    """Mean square of the window. See base.AudioEncoder."""

    name = "loudness"
    dim = 1
    reads_once = False
    window_seconds = 1.0

    def encode_recording(self, read_windows: Callable[[], Iterator[np.ndarray]]) -> np.ndarray:
        return np.concatenate([np.square(batch).mean(axis=1, keepdims=True) for batch in read_windows()])

    def listen(self) -> Callable[[np.ndarray], np.ndarray]:
        return lambda windows: self.encode_recording(lambda: iter([windows]))

    def identity(self) -> Identity:
        return {"name": self.name, "version": 1}


class BeepTagger:
    """A beep is as probable as the window is loud, on average. See base.SoundTagger."""

    name = "beeper"
    names = ("Beep, bleep", "Hum")
    window_seconds = 0.5
    default_sounds = (SoundRule("beep", ("Beep, bleep",), 0.4),)

    def tag(self, windows: np.ndarray) -> TaggedSound:
        assert windows.shape[1] == self.window_seconds * 16_000
        loud = np.abs(windows).mean(axis=1, keepdims=True)
        probabilities = np.concatenate([loud, 0 * loud], axis=1).astype(np.float16)
        indices = np.array([[0, 1]] * len(windows), np.uint16)
        return TaggedSound(loud, SoundTags(self.names, indices, probabilities))

    def identity(self) -> Identity:
        return {"name": self.name, "version": 1}


@pytest.fixture(scope="session")
def tagger() -> BeepTagger:
    return BeepTagger()


@pytest.fixture(scope="session")
def encoders() -> Encoders:
    return Encoders("fake", Brightness(), Loudness(), text=None)


@pytest.fixture(scope="session")
def detector(encoders: Encoders) -> Detector:
    """Teacher and visual student with random weights: every neighbour counts, and nothing is learned."""
    config = NetworkConfig(embed_dim=8)
    header = CheckpointHeader(
        name="tiny",
        classes=CLASSES,
        encoders="fake",
        features=provenance_of(encoders, GRID),
        visual_dim=1,
        audio_dim=1,
        network=config,
        thresholds={"teacher": Thresholds(0.5, 0.8), "visual student": Thresholds(0.4, None)},
        selection={"teacher": "last", "visual student": "last"},
        card="",
    )
    torch.manual_seed(0)
    networks = {}
    for kind in header.thresholds:
        networks[kind] = build_network(kind, visual_dim=1, audio_dim=1, classes=CLASSES, network=config).frozen()
    return Detector(TrainedScorer(Checkpoint(header, networks), device=torch.device("cpu")), encoders, grid=GRID)


@pytest.fixture(scope="session")
def naming(detector: Detector, tagger: BeepTagger) -> Detector:
    """The same detector, which also names sounds."""
    return Detector(detector.scorer, detector.encoders._replace(tagger=tagger), grid=GRID)


class BrightIsBad:
    """The score is the brightness. See scorers.Scorer."""

    name = "bright"
    classes = CLASSES

    def judge(self, features: SnippetFeatures) -> Verdict:
        score = features.visual[0, :, 0]
        probabilities = np.stack([1 - score, score, 0 * score], axis=1)
        thresholds = Thresholds(detection=0.5, alert=0.85)
        scores = SnippetScores(score, probabilities)
        return Verdict("visual student", "visual", "made up", scores, None, None, thresholds)


@pytest.fixture(scope="session")
def bright_is_bad(encoders: Encoders) -> Detector:
    return Detector(BrightIsBad(), encoders, grid=GRID)


@pytest.fixture(scope="session")
def bright_or_beeping(encoders: Encoders, tagger: BeepTagger) -> Detector:
    """Brightness is the model's score, and beeps are named."""
    return Detector(BrightIsBad(), encoders._replace(tagger=tagger), grid=GRID)


@pytest.fixture(scope="session")
def make_snippet() -> Callable[..., LiveSnippet]:
    def make(index: int, level: float = 0.5, *, sound: float | None = None, start: float = 0.0) -> LiveSnippet:
        frames = [np.full((32, 32, 3), round(255 * level), np.uint8)] * 2
        samples = None if sound is None else np.full(16_000, sound, np.float32)
        begin = start + index * SECONDS
        return LiveSnippet(begin, begin + SECONDS, frames, samples, begin + SECONDS)

    return make


@pytest.fixture(scope="session")
def write_yard() -> Callable[..., Path]:
    """Writes a video: one brightness per snippet, and one amplitude of a tone, or without sound."""

    def write(
        path: Path, levels: list[float], *, with_sound: bool = True, tones: list[float] | None = None, group: int = 12
    ) -> Path:
        num_frames = 16 * len(levels)
        with av.open(str(path), "w") as container:
            picture = container.add_stream("libx264", rate=24, options={"g": str(group), "bf": "0"})
            picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
            track = container.add_stream("pcm_s16le", rate=16_000, layout="mono") if with_sound else None
            for i in range(num_frames):
                pixels = np.full((32, 32, 3), round(255 * levels[i // 16]), np.uint8)
                frame = av.VideoFrame.from_ndarray(pixels).reformat(format="yuv420p")
                frame.pts = i
                container.mux(picture.encode(frame))
                if track is not None:
                    time = np.arange(i * 16_000 // 24, (i + 1) * 16_000 // 24) / 16_000
                    amplitude = 9_000 if tones is None else 32_000 * tones[i // 16]
                    samples = (amplitude * np.sin(2 * np.pi * 440 * time)).astype(np.int16)[None]
                    block = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
                    block.sample_rate, block.pts = 16_000, i * 16_000 // 24
                    container.mux(track.encode(block))
            container.mux(picture.encode(None))
        return path

    return write
