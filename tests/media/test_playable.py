import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avadclip.media.playable import media_type, why_unplayable

MakeVideo = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "codec", "sound", "reason"),
    [
        ("a.mp4", "libx264", "aac", None),
        ("a.mp4", "libx264", None, None),
        ("a.mov", "libx264", "aac", None),
        ("a.mp4", "libx264", "libmp3lame", None),
        ("a.webm", "libvpx", None, None),
        ("a.webm", "libvpx-vp9", "libopus", None),
        ("a.mp4", "libx265", "aac", "hevc in mp4"),
        ("a.mp4", "mpeg4", "aac", "mpeg4 in mp4"),
        ("a.mov", "libx264", "pcm_s16le", "pcm_s16le audio in mp4"),
        ("a.mp4", "libx264", "ac3", "ac3 audio in mp4"),
        ("a.mkv", "libx264", "aac", "h264 in matroska"),
        ("a.mkv", "libvpx-vp9", None, "vp9 in matroska"),
        ("a.avi", "mpeg4", None, "mpeg4 in avi"),
        ("a.ts", "libx264", "aac", "h264 in mpegts"),
    ],
)
def test_what_browsers_play(
    make_video: MakeVideo,
    sound_track: Any,
    *,
    tmp_path: Path,
    name: str,
    codec: str,
    sound: str | None,
    reason: str | None,
) -> None:
    track = sound_track(np.zeros(48_000, np.float32), codec=sound) if sound else None
    path = make_video(tmp_path / name, codec=codec, sound=track)
    assert why_unplayable(path) == reason


@pytest.mark.system
def test_browsers_play_av1(ffmpeg: str, tmp_path: Path) -> None:
    # Not by SVT-AV1, the only one PyAV has: it would turn this very process, where root runs it, into a real-time one.
    codec = ["-pix_fmt", "yuv420p", "-c:v", "libaom-av1", "-cpu-used", "8"]
    source = ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=1"]
    subprocess.run([ffmpeg, "-v", "error", *source, *codec, tmp_path / "a.mp4"], check=True)
    assert why_unplayable(tmp_path / "a.mp4") is None


@pytest.mark.parametrize("pixels", ["yuv444p", "yuv420p10le"])
def test_pixels_that_only_the_name_of_the_codec_hides(make_video: MakeVideo, tmp_path: Path, pixels: str) -> None:
    path = make_video(tmp_path / "a.mp4", pix_fmt=pixels)
    assert why_unplayable(path) == f"h264 with pixel format {pixels}"


def test_the_container_counts_and_not_the_name(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.mp4")
    assert why_unplayable(video.rename(tmp_path / "a.avi")) is None
    matroska = make_video(tmp_path / "b.mkv")
    assert why_unplayable(matroska.rename(tmp_path / "b.mp4")) == "h264 in matroska"


@pytest.mark.parametrize(
    ("name", "codec", "expected"),
    [("a.mp4", "libx264", "video/mp4"), ("a.webm", "libvpx", "video/webm"), ("a.avi", "mpeg4", None)],
)
def test_the_media_type_comes_from_the_content(
    make_video: MakeVideo, tmp_path: Path, name: str, codec: str, expected: str | None
) -> None:
    video = make_video(tmp_path / name, codec=codec)
    assert media_type(video.rename(tmp_path / "a.html")) == expected
