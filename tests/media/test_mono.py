"""Mono from channels that cancel each other, and from channels that do not."""

import itertools

import av
import numpy as np
import pytest
from av.audio.resampler import AudioResampler

from avadclip.media.audio import SoundReader
from avadclip.media.track import SAMPLE_RATE_HZ, Track

RATE_HZ = 48_000


def voice(num_seconds, rate_hz=RATE_HZ):
    """Noise whose power falls by 6 dB an octave, as that of speech."""
    noise = np.random.default_rng(0).normal(size=round(num_seconds * rate_hz))
    walk = np.cumsum(noise)
    walk -= np.convolve(walk, np.ones(401) / 401, "same")
    return (0.1 * walk / walk.std()).astype(np.float32)


def tone(hz, num_seconds, rate_hz=RATE_HZ):
    return (0.4 * np.sin(2 * np.pi * hz * np.arange(round(num_seconds * rate_hz)) / rate_hz)).astype(np.float32)


def frames_of(channels, layout="stereo", rate_hz=RATE_HZ, first=0):
    for start in range(0, channels.shape[1], 1024):
        chunk = np.ascontiguousarray(channels[:, start : start + 1024].T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(chunk, format="flt", layout=layout)
        frame.sample_rate, frame.pts = rate_hz, first + start
        yield frame


def mixed(channels, layout="stereo", rate_hz=RATE_HZ, *, is_live=False):
    """The samples, and the seconds in which the channels cancelled each other."""
    track = Track(1 / rate_hz, is_live=is_live)
    blocks = list(track.place(frames_of(np.asarray(channels, np.float32), layout, rate_hz)))
    assert all(a.end == b.start for a, b in itertools.pairwise(blocks))
    return np.concatenate([block.samples for block in blocks]), track.cancelled_seconds


def ffmpegs_mix(channels, layout="stereo", rate_hz=RATE_HZ):
    resampler = AudioResampler("flt", "mono", SAMPLE_RATE_HZ, options={"rematrix_maxval": "1.0"})
    parts = [
        p for frame in frames_of(np.asarray(channels, np.float32), layout, rate_hz) for p in resampler.resample(frame)
    ]
    parts += [part for part in resampler.resample(None) if part is not None]
    return np.concatenate([part.to_ndarray().reshape(-1) for part in parts])


def rms(samples):
    return float(np.sqrt((np.asarray(samples, np.float64) ** 2).mean()))


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "pcm_s16le"), ("b.mkv", "pcm_f32le"), ("a.mp4", "aac"), ("a.avi", "libmp3lame")],
)
@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_opposite_channels_sound_as_one_of_them_and_are_noted(tmp_path, make_video, sound_track, name, codec, rate_hz):  # noqa: PLR0917
    sound = voice(3.0, rate_hz)
    heard = []
    for channels in ([sound, sound], [sound, -sound]):
        track = sound_track(np.stack(channels), layout="stereo", codec=codec, rate_hz=rate_hz)
        reader = SoundReader(make_video(tmp_path / name, num_frames=72, sound=track))
        heard.append(np.concatenate(list(reader.windows([0.5, 1.5, 2.5], 1.0))))
    error = min(rms(heard[1] - heard[0]), rms(heard[1] + heard[0]))  # as either channel
    assert error < 0.1 * rms(heard[0])
    assert not reader.report.silent
    (note,) = (note for note in reader.report.notes if "opposite phase" in note)
    assert note.endswith("for 3.0 s") or note.endswith("for 3.1 s")  # encoders add a frame


UNRELATED = np.random.default_rng(1).normal(scale=0.1, size=(6, 4 * RATE_HZ))


@pytest.mark.parametrize(
    ("channels", "layout"),
    [
        ([voice(4), voice(4)], "stereo"),
        ([voice(4), 0 * voice(4)], "stereo"),
        (UNRELATED[:2], "stereo"),
        ([UNRELATED[0] - 0.3 * UNRELATED[1], UNRELATED[1] - 0.3 * UNRELATED[0]], "stereo"),  # a wide room
        ([voice(4), -0.2 * voice(4)], "stereo"),
        ([tone(50, 4) + UNRELATED[0], -tone(50, 4) + UNRELATED[1]], "stereo"),  # hum alone is opposite
        ([1e-5 * voice(4), -1e-5 * voice(4)], "stereo"),
        (UNRELATED, "5.1"),
        ([*UNRELATED[:3], 3 * UNRELATED[3], UNRELATED[4], -UNRELATED[4]], "5.1"),
        ([*(0 * UNRELATED[:3]), UNRELATED[3], 0.001 * UNRELATED[4], 0 * UNRELATED[5]], "5.1"),  # the subwoofer
    ],
)
@pytest.mark.parametrize("rate_hz", [22_050, 48_000])
def test_what_does_not_cancel_is_the_mix_to_the_bit(channels, layout, rate_hz):
    samples, cancelled_seconds = mixed(channels, layout, rate_hz)
    assert cancelled_seconds == 0
    np.testing.assert_array_equal(samples, ffmpegs_mix(channels, layout, rate_hz))


@pytest.mark.parametrize(
    ("right", "level"),
    [
        (-voice(4), 1.0),
        (-0.5 * voice(4), 0.75),  # the mix in phase would be (1 + .5) / 2
        (-1.9 * voice(4), 1.45),
        (-np.roll(voice(4), 1), 1.0),
        (-np.roll(voice(4), 5), 1.0),
        (-voice(4) + 0.1 * UNRELATED[0], 1.0),
    ],
)
def test_nearly_opposite_channels_are_heard_at_the_level_of_a_mix_in_phase(right, level):
    samples, cancelled_seconds = mixed([voice(4), right])
    assert cancelled_seconds == pytest.approx(4.0, abs=0.01)
    assert rms(samples) == pytest.approx(level * rms(ffmpegs_mix([voice(4), voice(4)])), rel=0.08)


def test_hum_in_phase_does_not_hide_opposite_speech():
    samples, cancelled_seconds = mixed([tone(50, 4) + voice(4), tone(50, 4) - voice(4)])
    assert cancelled_seconds == pytest.approx(4.0, abs=0.01)
    ones = [ffmpegs_mix([channel, channel]) for channel in (tone(50, 4) + voice(4), tone(50, 4) - voice(4))]
    assert min(rms(samples - one) for one in ones) < 0.1 * rms(samples)


def test_opposite_rear_channels_are_heard_where_nothing_else_is():
    rear, centre = voice(6), tone(440, 6)
    centre[2 * RATE_HZ : 4 * RATE_HZ] = 0
    silent = 0 * rear
    samples, cancelled_seconds = mixed([silent, silent, centre, silent, 0.3 * rear, -0.3 * rear], "5.1")
    assert cancelled_seconds == pytest.approx(2.0, abs=0.5)
    alone = ffmpegs_mix([silent, silent, silent, silent, 0.3 * rear, 0.3 * rear], "5.1")
    middle = slice(round(2.6 * SAMPLE_RATE_HZ), round(3.4 * SAMPLE_RATE_HZ))
    assert rms(samples[middle]) == pytest.approx(rms(alone[middle]), rel=0.02)  # not louder than in the mix of before


@pytest.mark.parametrize("is_live", [False, True])
@pytest.mark.parametrize("begin", [2.0, 2.11, 2.29, 2.47])
def test_a_part_of_opposite_phase_adds_no_step(begin, is_live):
    left, right = tone(400, 6), tone(400, 6)
    begin, end = (round(seconds * RATE_HZ) // 120 * 120 for seconds in (begin, begin + 2))  # where the tone is zero
    right[begin:end] *= -1
    samples, cancelled_seconds = mixed([left, right], is_live=is_live)
    assert cancelled_seconds == pytest.approx(2.0, abs=0.5)
    steepest = 0.4 * 2 * np.pi * 400 / SAMPLE_RATE_HZ
    assert np.abs(np.diff(samples[100:-100])).max() <= 1.02 * steepest
    lost = [rms(part) < 0.1 * 0.4 for part in np.array_split(samples, 60)]  # parts of 0.1 s
    assert sum(lost) <= (9 if is_live else 3)
    mix = ffmpegs_mix([left, right])
    before, after = slice(0, round(1.0 * SAMPLE_RATE_HZ)), slice(round(5.1 * SAMPLE_RATE_HZ), None)
    np.testing.assert_array_equal(samples[before], mix[before])
    np.testing.assert_array_equal(samples[after], mix[after])


def test_live_sound_is_given_out_at_once():
    track = Track(1 / RATE_HZ, is_live=True)
    for frame in frames_of(np.stack([voice(2), -voice(2)])):
        list(track.add(frame))
        assert track.end / SAMPLE_RATE_HZ > (frame.pts + 1024) / RATE_HZ - 0.03


def test_sound_in_pieces_stays_in_one_channel():
    """Gaps of 0.1 s after every 0.2 s: pieces too short to be judged each by itself."""
    track, sound, blocks = Track(1 / RATE_HZ), voice(9), []
    for first in range(0, len(sound), round(0.3 * RATE_HZ)):
        piece = sound[first : first + round((0.2 if first else 0.3) * RATE_HZ)]
        for frame in frames_of(np.stack([piece, -piece]), first=first):
            blocks += track.add(frame)
    blocks += track.finish()
    assert rms(np.concatenate([block.samples for block in blocks])) == pytest.approx(0.1, rel=0.1)


def test_damaged_samples_in_one_channel_do_no_harm():
    left, right = voice(3), -voice(3)
    right[RATE_HZ : RATE_HZ + 100] = [np.nan, np.inf] * 50
    samples, _ = mixed([left, right])
    assert np.isfinite(samples).all()
    assert rms(samples[2 * SAMPLE_RATE_HZ :]) == pytest.approx(0.1, rel=0.2)


def test_many_channels_without_a_layout():
    sound = voice(2)
    samples, _ = mixed([sound, -sound, 0 * sound, 0 * sound], "4 channels")
    assert rms(samples) > 0.02
