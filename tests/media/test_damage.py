from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from avadclip.media.audio import SoundReader
from avadclip.media.damage import DamagedPicture, ForeignSound, LateSound, MutedSound, NoisySound, SoundSource
from avadclip.media.track import SAMPLE_RATE_HZ
from avadclip.media.video import VideoReader

SECONDS = 6
RATE = SAMPLE_RATE_HZ


def hiss(seed: int, seconds: float = SECONDS) -> NDArray[np.float32]:
    """Noise that rises and falls, so that it is like itself at one shift only."""
    random = np.random.default_rng(seed)
    samples = (
        0.1 * random.standard_normal(round(seconds * RATE)) * (1.2 + np.sin(np.arange(round(seconds * RATE)) / 900))
    )
    return samples.astype(np.float32)


@pytest.fixture
def video(tmp_path: Path, make_video, sound_track) -> Path:
    sound = sound_track(hiss(0), codec="pcm_s16le", rate_hz=RATE)
    return make_video(tmp_path / "yard.mkv", num_frames=24 * SECONDS, sound=sound)


def heard(source: SoundSource, seconds: float = SECONDS) -> NDArray[np.float32]:
    """All of the sound, in windows of a second that touch."""
    return np.concatenate(list(source.windows((k + 0.5 for k in range(int(seconds))), 1.0)))


def test_pictures_are_black_dark_or_half_covered(video: Path) -> None:
    times = [0.0, 2.0, 5.9]
    clean = list(VideoReader(video).frames_at(times))
    assert max(frame.max() for frame in clean) > 200

    def damaged(name: str) -> list[NDArray[np.uint8]]:
        return list(DamagedPicture(VideoReader(video), name).frames_at(times))

    for frame, black, dark, covered in zip(
        clean, damaged("black"), damaged("dark"), damaged("half covered"), strict=True
    ):
        assert black.shape == dark.shape == covered.shape == frame.shape == (48, 64, 3)
        assert not black.any()
        assert np.abs(dark - frame / 5).max() <= 0.5
        assert not covered[:, :32].any()
        np.testing.assert_array_equal(covered[:, 32:], frame[:, 32:])


def test_a_picture_of_odd_width_keeps_its_larger_half(tmp_path: Path, make_video) -> None:
    path = make_video(tmp_path / "odd.mkv", size=(16, 21), codec="ffv1", pix_fmt="bgr0")
    (frame,) = DamagedPicture(VideoReader(path), "half covered").frames_at([0.0])
    assert not frame[:, :10].any()
    assert frame[8:, 10:].all()


def test_muted_is_digital_silence_and_reported_as_silent(video: Path) -> None:
    sound = MutedSound(SoundReader(video))
    assert not heard(sound).any()
    assert sound.report.silent


def test_late_sound_comes_two_seconds_later(video: Path) -> None:
    clean, late = heard(SoundReader(video)), heard(LateSound(SoundReader(video)))
    assert not late[: 2 * RATE].any()
    spectrum = np.fft.rfft(late, 2 * len(late)) * np.conj(np.fft.rfft(clean, 2 * len(clean)))
    assert np.argmax(np.fft.irfft(spectrum)) == 2 * RATE  # cross-correlation peaks at the shift


def test_noise_is_as_strong_as_the_sound(video: Path) -> None:
    clean = heard(SoundReader(video))
    noise = heard(NoisySound(SoundReader(video), SECONDS, seed=7)) - clean
    ratio = 10 * np.log10(np.square(clean).mean() / np.square(noise).mean())
    assert ratio == pytest.approx(0.0, abs=0.1)
    assert abs(np.corrcoef(clean, noise)[0, 1]) < 0.02


def test_noise_is_the_same_wherever_windows_lie(video: Path) -> None:
    whole = heard(NoisySound(SoundReader(video), SECONDS, seed=7))
    for centre in (0.9, 1.0, 3.3):
        (window,) = NoisySound(SoundReader(video), SECONDS, seed=7).windows([centre], 1.0)
        start = round(centre * RATE) - RATE // 2
        np.testing.assert_allclose(window, whole[start : start + RATE], atol=1e-6)
    other = heard(NoisySound(SoundReader(video), SECONDS, seed=8))
    assert not np.allclose(whole, other, atol=1e-3)


def test_silence_stays_silent_under_noise(tmp_path: Path, make_video, sound_track) -> None:
    silence = sound_track(np.zeros(2 * RATE, np.float32), codec="pcm_s16le", rate_hz=RATE)
    path = make_video(tmp_path / "still.mkv", num_frames=48, sound=silence)
    assert not heard(NoisySound(SoundReader(path), 2.0, seed=0), 2).any()


def test_foreign_sound_is_the_donors_again_and_again(tmp_path: Path, make_video, sound_track) -> None:
    other = hiss(1, 2.0)
    path = make_video(tmp_path / "donor.mkv", num_frames=48, sound=sound_track(other, codec="pcm_s16le", rate_hz=RATE))
    sound = ForeignSound(SoundReader(path), 2.0)
    np.testing.assert_allclose(heard(sound), np.tile(other, 3), atol=1e-4)
    assert not sound.report.silent
