from pathlib import Path

import numpy as np

from avadclip.media.probe import probe
from avadclip.media.video import VideoReader
from avadclip.research.speed.footage import write_footage


def test_the_generated_video_is_as_requested(footage: Path) -> None:
    media = probe(footage)
    assert (media.width, media.height, media.frame_rate_hz, media.sound) == (160, 90, 24.0, None)
    assert abs(media.duration_seconds - 3.0) < 0.05


def test_its_pictures_move_and_are_no_plain_colour(footage: Path) -> None:
    first, last = VideoReader(footage).frames_at([0.0, 2.5])
    assert first.std() > 10
    assert np.abs(first.astype(int) - last).mean() > 5


def test_the_same_arguments_make_the_same_video(tmp_path: Path, footage: Path) -> None:
    again = tmp_path / "again.mp4"
    write_footage(again, height=90, seconds=3.0)
    ours, theirs = (list(VideoReader(path).frames_at([0.0, 1.0, 2.0])) for path in (footage, again))
    np.testing.assert_array_equal(ours, theirs)
