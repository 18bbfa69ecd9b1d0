"""Filmstrip and waveform against a video whose grey tells the time, and sounds that are known."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from avadclip.media.probe import MediaFile
from avadclip.media.video import SEEK_MARGIN_SECONDS
from avadclip.report import strips
from avadclip.report.strips import COLUMNS, HALF_HEIGHT, NUM_PICTURES, sound_peaks, write_strips

from ..media.made_videos import Sound, write_video

SECONDS = 40.0  # of clock_video


def test_the_film_shows_the_middles_of_equal_parts(
    clock_video: Path, clock_grey: Callable[[float], int], tmp_path: Path
) -> None:
    film, _ = write_strips(MediaFile.open(clock_video), SECONDS, tmp_path / "pictures")
    assert len(film) == NUM_PICTURES
    for number, name in enumerate(film):
        shown = np.asarray(Image.open(tmp_path / name)).mean()
        assert shown == pytest.approx(clock_grey(SECONDS * (number + 0.5) / NUM_PICTURES), abs=3)


def test_parts_after_the_last_picture_have_none(clock_video: Path, tmp_path: Path) -> None:
    film, _ = write_strips(MediaFile.open(clock_video), 2 * SECONDS, tmp_path / "pictures")
    assert None not in film[: NUM_PICTURES // 2]
    assert set(film[NUM_PICTURES // 2 :]) == {None}


def test_a_long_video_shows_pictures_that_are_sought(
    clock_video: Path, clock_grey: Callable[[float], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is the last key picture before its time, less the margin of a seek: nothing is decoded up to the time."""
    with av.open(str(clock_video)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.is_keyframe and packet.pts is not None]
        keys = [float(packet.pts * packet.time_base) for packet in packets]
    assert len(keys) >= 3
    monkeypatch.setattr(strips, "ONE_PASS_SECONDS", 0.0)
    film, _ = write_strips(MediaFile.open(clock_video), SECONDS, tmp_path / "pictures")
    for number, name in enumerate(film):
        entered = max(SECONDS * (number + 0.5) / NUM_PICTURES - SEEK_MARGIN_SECONDS, 0.0)
        shown = np.asarray(Image.open(tmp_path / name)).mean()
        assert shown == pytest.approx(clock_grey(max(key for key in keys if key <= entered)), abs=3)


def test_the_waveform_is_the_sound_over_its_loudest_moment(tmp_path: Path) -> None:
    """Half a second of a tone, half as loud for half a second, then silence."""
    times = np.arange(2 * 48_000) / 48_000
    tone = 0.4 * np.sin(2 * np.pi * 1000 * times) * np.select([times < 0.5, times < 1], [1, 0.5], 0)
    sound = Sound(tone.astype(np.float32), codec="pcm_f32le")
    video = MediaFile.open(write_video(tmp_path / "tone.mkv", num_frames=48, sound=sound))
    peaks = sound_peaks(video, 2.0)
    quarter, margin = COLUMNS // 4, 20
    np.testing.assert_allclose(peaks[margin : quarter - margin], 1.0, atol=0.1)
    np.testing.assert_allclose(peaks[quarter + margin : 2 * quarter - margin], 0.5, atol=0.1)
    np.testing.assert_allclose(peaks[2 * quarter + margin :], 0.0, atol=0.01)

    _, name = write_strips(video, 2.0, tmp_path / "pictures")
    inked = (np.asarray(Image.open(tmp_path / name))[..., 3] > 0).sum(axis=0)
    assert inked[quarter // 2] == pytest.approx(2 * HALF_HEIGHT, rel=0.1)
    assert inked[quarter + quarter // 2] == pytest.approx(HALF_HEIGHT, rel=0.15)
    assert inked[-1] == 2  # the middle line


@pytest.mark.parametrize("sound", [None, Sound(np.zeros(48_000, np.float32), codec="pcm_f32le")])
def test_without_sound_or_in_silence_there_is_no_waveform(sound: Sound | None, tmp_path: Path) -> None:
    video = MediaFile.open(write_video(tmp_path / "quiet.mkv", sound=sound))
    assert write_strips(video, 1.0, tmp_path / "pictures").waveform is None
