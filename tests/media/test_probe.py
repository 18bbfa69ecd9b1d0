import numpy as np
import pytest

from avadclip.media.audio import SoundReader
from avadclip.media.probe import MediaFile, SoundInfo, probe
from avadclip.media.video import VideoReader


def test_probe_returns_size_rate_length_and_sound(tmp_path, make_video, sound_track):
    sound = sound_track(np.zeros((6, 48_000), np.float32), layout="5.1")
    info = probe(make_video(tmp_path / "a.mp4", rate_hz=24, sound=sound))
    assert (info.width, info.height, info.frame_rate_hz, info.rotation_degrees) == (64, 48, 24.0, 0)
    assert info.duration_seconds == pytest.approx(1.0)
    assert info.sound == SoundInfo(48_000, 6, "5.1", track=1)
    assert info.notes == ()


def test_duration_is_the_pictures_even_if_sound_goes_on(tmp_path, make_video, sound_track):
    for name in ("a.mp4", "a.mkv"):
        info = probe(make_video(tmp_path / name, sound=sound_track(np.zeros(3 * 48_000, np.float32))))
        assert info.duration_seconds == pytest.approx(1.0, abs=0.05)
        assert any("after the video" in note for note in info.notes)


def test_sound_that_ends_early_is_noted(tmp_path, make_video, sound_track):
    info = probe(make_video(tmp_path / "a.mp4", num_frames=72, sound=sound_track(np.zeros(48_000, np.float32))))
    assert any("before the video" in note for note in info.notes)


def test_late_sound_is_noted(tmp_path, make_video, sound_track):
    sound = sound_track(np.zeros(48_000, np.float32), start_seconds=1.48)
    info = probe(make_video(tmp_path / "a.mkv", num_frames=72, sound=sound))
    assert any(note.startswith("audio starts 1.48 s after") for note in info.notes)


def test_size_is_as_shown_after_rotation(tmp_path, make_video):
    info = probe(make_video(tmp_path / "a.mp4", rotation=90))
    assert (info.width, info.height, info.rotation_degrees) == (48, 64, 90)
    assert any("rotation" in note for note in info.notes)


def test_odd_properties_are_noted(tmp_path, make_video):
    times = [0, 0.04, 0.1, 0.5, 0.6, 1.0, 1.7]
    cases = {
        "variable": {"times": times, "codec_options": {"bf": "0"}},
        "10 bits": {"pix_fmt": "yuv420p10le"},
        "interlaced": {"codec_options": {"x264-params": "tff=1"}},
    }
    for word, kwargs in cases.items():
        info = probe(make_video(tmp_path / "a.mp4", **kwargs))
        assert any(word in note for note in info.notes), info.notes


@pytest.mark.parametrize(("name", "options"), [("a.mkv", {"live": "1"}), ("a.h264", {})])
def test_a_missing_duration_comes_from_the_packets_and_is_noted(tmp_path, make_video, opened_files, name, options):
    info = probe(make_video(tmp_path / name, rate_hz=25, num_frames=50, container_options=options))
    assert info.duration_seconds == pytest.approx(2.0, abs=0.05)
    assert any("states no duration" in note for note in info.notes)
    assert opened_files == [name]


def test_zero_is_the_first_picture_shown(tmp_path, make_video):
    late = [1.5 + number / 24 for number in range(24)]
    assert MediaFile.open(make_video(tmp_path / "a.mkv", times=late)).zero_seconds == pytest.approx(1.5, abs=0.001)
    assert MediaFile.open(make_video(tmp_path / "a.mp4")).zero_seconds == 0.0
    # AVI counts its chunks from 0; to reordered pictures, but not to sound, FFmpeg adds a delay.
    facts = MediaFile.open(make_video(tmp_path / "a.avi", rate_hz=24))
    assert (facts.zero_seconds, facts.delay_seconds) == (0.0, pytest.approx(1 / 24))


def test_readers_take_the_path_or_the_facts_of_a_file(tmp_path, make_video, sound_track, click_at, opened_files):
    path = make_video(tmp_path / "a.mp4", sound=sound_track(click_at(0.5, 1.0)))
    media = MediaFile.open(str(path))
    assert MediaFile.open(media) is media
    assert media.info == probe(path)
    opened_files.clear()
    by_facts = [*VideoReader(media).frames_at([0.0, 0.5]), *SoundReader(media).windows([0.5], 0.5)]
    assert len(opened_files) == 2  # a pass for each
    by_path = [*VideoReader(path).frames_at([0.0, 0.5]), *SoundReader(path).windows([0.5], 0.5)]
    for one, other in zip(by_facts, by_path, strict=True):
        np.testing.assert_array_equal(one, other)


def test_real_videos(sample_videos):
    bunny, bikes = (probe(path) for path in sample_videos)
    assert (bunny.width, bunny.height, bunny.frame_rate_hz, bunny.duration_seconds) == (1280, 720, 25.0, 5.28)
    assert bunny.sound == SoundInfo(48_000, 6, "5.1", track=1)
    assert bikes.sound is None
