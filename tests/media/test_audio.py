import itertools

import numpy as np
import psutil
import pytest

from avadclip.errors import MediaError
from avadclip.media.audio import SoundReader
from avadclip.media.mono import SILENCE_DBFS
from avadclip.media.track import SAMPLE_RATE_HZ


def click_offset_ms(path, seconds, window_seconds=1.0):
    """How far the loudest sample lies from the given time, in milliseconds."""
    (window,) = SoundReader(path).windows([seconds], window_seconds)
    assert np.abs(window).max() > 0.3
    return (int(np.abs(window).argmax()) - len(window) // 2) * 1000 / SAMPLE_RATE_HZ


@pytest.mark.parametrize(
    "case",
    [
        ("a.mp4", "libx264", "aac"),
        ("a.mkv", "libx264", "aac"),
        ("a.ts", "libx264", "aac"),
        ("a.flv", "libx264", "aac"),
        ("a.webm", "libvpx-vp9", "libopus"),
        ("a.avi", "mpeg4", "pcm_s16le"),
        ("b.mkv", "libx264", "pcm_s16le"),
    ],
)
def test_a_click_is_at_its_time_on_the_video_clock(tmp_path, make_video, sound_track, click_at, case):
    name, codec, sound_codec = case
    path = make_video(
        tmp_path / name, num_frames=48, codec=codec, sound=sound_track(click_at(1.25, 2.0), codec=sound_codec)
    )
    assert abs(click_offset_ms(path, 1.25)) <= 2


@pytest.mark.parametrize("case", list(itertools.product(["a.mp4", "a.mkv", "a.ts"], [0.4, 1.48])))
def test_late_sound_keeps_its_place(tmp_path, make_video, sound_track, click_at, case):
    name, late = case
    path = make_video(tmp_path / name, num_frames=72, sound=sound_track(click_at(0.5, 1.0), start_seconds=late))
    assert abs(click_offset_ms(path, late + 0.5)) <= 2
    reader = SoundReader(path)
    windows = list(reader.windows([0.1, late + 0.5], 0.1))
    assert not windows[0].any()
    assert reader.report.start_seconds == pytest.approx(late, abs=0.03)
    assert any(note.startswith("audio starts") for note in reader.report.notes)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_sound_that_starts_before_the_picture_keeps_its_place(tmp_path, make_video, sound_track, click_at, name):
    path = make_video(tmp_path / name, times=[2 + i / 24 for i in range(24)], sound=sound_track(click_at(2.5, 3.0)))
    assert abs(click_offset_ms(path, 0.5)) <= 2


def test_a_transport_stream_that_starts_at_1_48_seconds_starts_at_zero(tmp_path, make_video, sound_track, click_at):
    sound = sound_track(click_at(0.5, 1.0), start_seconds=1.48)
    path = make_video(tmp_path / "a.ts", times=[1.48 + i / 24 for i in range(24)], sound=sound)
    assert abs(click_offset_ms(path, 0.5)) <= 2


def test_sound_follows_the_picture_across_joins(tmp_path, make_video, sound_track, click_at):
    parts = [make_video(tmp_path / f"{i}.ts", num_frames=48, sound=sound_track(click_at(1.0, 2.0))) for i in range(3)]
    joined = tmp_path / "a.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    reader = SoundReader(joined)
    for window in reader.windows([1.0, 3.0, 5.0], 1.0):
        assert abs(int(np.abs(window).argmax()) - 8000) <= 0.002 * SAMPLE_RATE_HZ
    assert reader.report.end_seconds == pytest.approx(6.0, abs=0.05)
    assert any("restart" in note for note in reader.report.notes)


def test_a_gap_is_silence_and_is_reported(tmp_path, make_video, sound_track, click_at):
    sound = sound_track(click_at(2.5, 3.0) + 0.1, skip_seconds=(0.9, 2.1), codec="pcm_s16le")
    path = make_video(tmp_path / "a.mkv", num_frames=72, sound=sound)
    assert abs(click_offset_ms(path, 2.5, window_seconds=0.5)) <= 2
    reader = SoundReader(path)
    before, inside, after = reader.windows([0.5, 1.5, 2.3], 0.2)
    assert before.min() > 0.05 and not inside.any() and after.min() > 0.05  # noqa: PT018
    assert reader.report.num_gaps == 1
    assert any("audio gaps" in note for note in reader.report.notes)


def test_there_is_one_window_per_centre_beyond_the_track_too(tmp_path, make_video, sound_track):
    path = make_video(tmp_path / "a.mp4", num_frames=72, sound=sound_track(np.full(48_000, 0.5, np.float32)))
    windows = list(SoundReader(path).windows([-5.0, 0.0, 0.5, 0.5, 1.0, 2.0, 50.0], 0.25))
    assert [window.shape for window in windows] == [(4000,)] * 7
    assert [bool(window.any()) for window in windows] == [False, True, True, True, True, False, False]
    assert not windows[1][:1900].any() and windows[1][2100:].any()  # noqa: PT018
    np.testing.assert_array_equal(windows[2], windows[3])


def test_windows_do_not_depend_on_their_neighbours(tmp_path, make_video, sound_track):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * 48_000).astype(np.float32)
    reader = SoundReader(make_video(tmp_path / "a.mkv", num_frames=48, sound=sound_track(noise)))
    many = dict(zip(centres := [i * 0.1 for i in range(20)], reader.windows(centres, 0.7), strict=True))
    (alone,) = reader.windows([centres[9]], 0.7)
    np.testing.assert_array_equal(alone, many[centres[9]])


def test_the_report_covers_the_whole_track_even_if_sound_is_longer(tmp_path, make_video, sound_track, click_at):
    reader = SoundReader(make_video(tmp_path / "a.mp4", sound=sound_track(click_at(2.5, 3.0))))
    list(reader.windows([0.5], 1.0))
    assert reader.report.end_seconds == pytest.approx(3.0, abs=0.03)
    assert reader.report.peak_dbfs == pytest.approx(20 * np.log10(0.9), abs=1.0)


def test_no_track_and_a_silent_track_are_different_things(tmp_path, make_video, sound_track):
    without = SoundReader(make_video(tmp_path / "none.mp4"))
    assert not without.has_sound
    with pytest.raises(MediaError, match="no sound track"):
        next(without.windows([0.5], 1.0))
    muted = SoundReader(make_video(tmp_path / "muted.mp4", sound=sound_track(np.zeros(48_000, np.float32))))
    assert muted.has_sound
    list(muted.windows([0.5], 1.0))
    assert muted.report.silent
    assert muted.report.peak_dbfs < SILENCE_DBFS


def test_an_audible_track_is_not_silent(tmp_path, make_video, sound_track, click_at):
    reader = SoundReader(make_video(tmp_path / "a.mp4", sound=sound_track(0.01 * click_at(0.5, 1.0))))
    list(reader.windows([0.5], 1.0))
    assert not reader.report.silent


TONE = 0.4 * np.sin(np.arange(48_000) * 2 * np.pi * 440 / 48_000).astype(np.float32)


@pytest.mark.parametrize(
    "case",
    [
        ("mono", [1], 1.0),
        ("stereo", [1, 1], 1.0),
        ("stereo", [1, 0], 0.5),
        ("5.1", [0, 0, 1, 0, 0, 0], 1 / (1 + 2 * 0.5**0.5 + 2 * 0.5)),  # 0 dB, the front -3, the rear -6, scaled
        ("5.1", [0, 0, 0, 1, 0, 0], 0.0),  # the subwoofer
        ("5.1", [1, 1, 1, 1, 1, 1], 1.0),
    ],
)
def test_the_mix_keeps_full_scale(tmp_path, make_video, sound_track, case):
    layout, channels, gain = case
    samples = np.outer(channels, TONE).astype(np.float32)
    sound = sound_track(samples, layout=layout, codec="pcm_s16le")
    (window,) = SoundReader(make_video(tmp_path / "a.mkv", sound=sound)).windows([0.5], 0.5)
    assert np.abs(window).max() == pytest.approx(0.4 * gain, abs=0.005)


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 22_050, 44_100])
def test_a_tone_keeps_its_pitch_and_phase(tmp_path, make_video, sound_track, rate_hz):
    tone = 0.5 * np.sin(np.arange(2 * rate_hz) * 2 * np.pi * 440 / rate_hz).astype(np.float32)
    path = make_video(tmp_path / "a.mkv", num_frames=48, sound=sound_track(tone, rate_hz=rate_hz, codec="pcm_s16le"))
    (window,) = SoundReader(path).windows([1.0], 1.0)
    expected = 0.5 * np.sin((np.arange(16_000) + 8000) * 2 * np.pi * 440 / 16_000)
    assert np.abs(window - expected).max() < 0.02


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
def test_sound_does_not_drift_and_memory_does_not_grow(tmp_path, make_video, sound_track, click_at, rate_hz):
    minutes = 5
    samples = click_at(60 * minutes - 1.0, 60.0 * minutes, rate_hz)
    path = make_video(tmp_path / "a.mkv", num_frames=2, sound=sound_track(samples, rate_hz=rate_hz))
    reader = SoundReader(path)
    before = psutil.Process().memory_info().rss
    for window in reader.windows([i + 0.0 for i in range(60 * minutes)], 1.0):
        last = window
    assert psutil.Process().memory_info().rss - before < 15e6  # five minutes of samples are 19 MB
    assert abs(int(np.abs(last).argmax()) - 8000) <= 0.002 * SAMPLE_RATE_HZ
    assert reader.report.num_gaps == 0


def test_damaged_sound_is_noted_and_the_rest_is_read(tmp_path, make_video, sound_track):
    path = make_video(
        tmp_path / "a.mkv", num_frames=48, sound=sound_track(np.full(96_000, 0.3, np.float32), codec="ac3")
    )
    content = bytearray(path.read_bytes())
    found = [i for i in range(len(content) - 1) if content[i : i + 2] == b"\x0b\x77"]  # the start of every AC-3 frame
    for place in found[10:14]:
        content[place : place + 2] = b"\0\0"
    path.write_bytes(content)
    reader = SoundReader(path)
    assert len(list(reader.windows([0.5, 1.5], 0.5))) == 2
    assert reader.report.undecodable_share > 0
    assert any("could not be decoded" in note for note in reader.report.notes)


def test_real_sound(sample_videos):
    bunny, bikes = (SoundReader(path) for path in sample_videos)
    assert bunny.has_sound
    assert not bikes.has_sound
    assert len(list(bunny.windows([0.5, 1.5, 4.9], 1.0))) == 3
    assert -40 < bunny.report.peak_dbfs < 0
    assert not bunny.report.silent
