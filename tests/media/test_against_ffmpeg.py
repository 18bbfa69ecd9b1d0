"""The readers against the ffmpeg program: another build of other authors, run from outside."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from avadclip.media.audio import SAMPLE_RATE_HZ, SoundReader
from avadclip.media.video import VideoReader

pytestmark = pytest.mark.system

RATE_HZ = 12


def raw(ffmpeg: str, video: Path, *options: str) -> bytes:
    command = [ffmpeg, "-v", "error", "-i", str(video), *options, "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.parametrize("index", [0, 1])
def test_full_size_pictures_are_those_ffmpeg_shows(ffmpeg: str, sample_videos: tuple[Path, Path], index: int) -> None:
    video = sample_videos[index]
    frames = list(VideoReader(video).frames_at(i / 25 for i in range(40)))  # both are 25 fps: every picture
    shape = frames[0].shape
    pixels = raw(
        ffmpeg, video, "-frames:v", "40", "-sws_flags", "accurate_rnd+full_chroma_int+bilinear",
        "-f", "rawvideo", "-pix_fmt", "rgb24",
    )  # fmt: skip
    expected: NDArray[np.uint8] = np.frombuffer(pixels, np.uint8).reshape(-1, *shape)
    difference = np.abs(np.stack(frames).astype(int) - expected).mean(axis=(1, 2, 3))
    # One picture early or late differs by several levels in either video; chroma filters alone by less than one.
    assert difference.max() < 1.0


def test_sound_is_what_ffmpeg_resamples(ffmpeg: str, sample_videos: tuple[Path, Path]) -> None:
    video = sample_videos[0]
    windows = np.concatenate(list(SoundReader(video).windows((i + 0.5 for i in range(5)), 1.0)))
    samples = raw(
        ffmpeg, video, "-vn", "-af", f"aresample={SAMPLE_RATE_HZ}:rematrix_maxval=1.0", "-ac", "1", "-f", "f32le"
    )
    expected = np.frombuffer(samples, np.float32)[: len(windows)]
    correlation = float(np.corrcoef(windows, expected)[0, 1])
    assert correlation > 0.999
