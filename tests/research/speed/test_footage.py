from pathlib import Path

import numpy as np

from avadclip.media.probe import probe
from avadclip.media.video import VideoReader
from avadclip.research.speed.footage import write_footage


def test_footage_has_the_requested_properties(footage: Path) -> None:
    media = probe(footage)
    assert (media.width, media.height, media.frame_rate_hz, media.sound) == (160, 90, 24.0, None)
    assert abs(media.duration_seconds - 3.0) < 0.05


def test_footage_moves_and_is_not_a_plain_colour(footage: Path) -> None:
    first, last = VideoReader(footage).frames_at([0.0, 2.5])
    assert first.std() > 10
    assert np.abs(first.astype(int) - last).mean() > 5


def test_footage_is_reproducible(tmp_path: Path) -> None:
    made = tmp_path / "made.mp4"
    contents = set()
    for _ in range(12):  # a fault of x264's that depends on the content of its memory shows in some makings
        write_footage(made, height=90, seconds=3.0)
        contents.add(made.read_bytes())
    assert len(contents) == 1
