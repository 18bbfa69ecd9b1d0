import itertools
import math

import numpy as np
import pytest

from avadclip.encoders.log_mel import FFT_SAMPLES, HOP_SAMPLES, NUM_BANDS, LogMelEncoder, mel_filters
from avadclip.media.track import SAMPLE_RATE_HZ


def noise(num_windows: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, (num_windows, SAMPLE_RATE_HZ)).astype(np.float32)


def encode(*batches: np.ndarray) -> np.ndarray:
    return LogMelEncoder().encode_recording(lambda: iter(batches))


def by_hand(samples: np.ndarray) -> np.ndarray:
    """One window, frame by frame, with numpy's transform in double precision."""
    half = FFT_SAMPLES // 2
    padded = np.pad(samples.astype(np.float64), half, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT_SAMPLES) / FFT_SAMPLES)
    filters = mel_filters().numpy().astype(np.float64)
    frames = []
    for start in range(0, len(samples) + 1, HOP_SAMPLES):
        power = np.abs(np.fft.rfft(padded[start : start + FFT_SAMPLES] * hann)) ** 2
        frames.append(np.log(filters @ power + 1e-7))
    bands = np.stack(frames, axis=1)
    return np.concatenate([bands.mean(axis=1), bands.std(axis=1, ddof=1), bands.max(axis=1)])


def test_features_are_mean_deviation_and_maximum_of_the_log_mel_bands() -> None:
    windows = noise(2)
    found = encode(windows)
    assert found.shape == (2, LogMelEncoder.dim)
    assert found.dtype == np.float32
    for row, window in zip(found, windows, strict=True):
        np.testing.assert_allclose(row, by_hand(window), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1, 1, 1), (3, 4), (7,), (6, 1)])
def test_how_windows_are_batched_changes_nothing(sizes: tuple[int, ...]) -> None:
    windows = noise(7)
    edges = np.cumsum([0, *sizes])
    batches = [windows[start:stop] for start, stop in itertools.pairwise(edges)]
    np.testing.assert_allclose(encode(*batches), encode(windows), rtol=0, atol=1e-5)


def test_a_tone_is_loudest_in_its_own_band() -> None:
    mels = np.linspace(*(2595 * math.log10(1 + hz / 700) for hz in (60, 7800)), NUM_BANDS + 2)
    centres = 700 * (10 ** (mels[1:-1] / 2595) - 1)
    time = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    for band in (10, 30, 50, 63):
        tone = np.sin(2 * np.pi * centres[band] * time).astype(np.float32)
        assert encode(tone[None])[0, :NUM_BANDS].argmax() == band


def test_silence_and_full_scale_give_finite_numbers() -> None:
    silence, square = np.zeros((1, SAMPLE_RATE_HZ), np.float32), np.ones((1, SAMPLE_RATE_HZ), np.float32)
    for windows in (silence, square, -square):
        assert np.isfinite(encode(windows)).all()
    np.testing.assert_allclose(encode(silence)[0, :NUM_BANDS], math.log(1e-7), rtol=1e-5)
    np.testing.assert_allclose(encode(silence)[0, NUM_BANDS : 2 * NUM_BANDS], 0.0, atol=1e-5)


def test_a_recording_without_windows_has_no_rows() -> None:
    assert encode().shape == (0, LogMelEncoder.dim)


def test_every_filter_averages_at_least_one_bin() -> None:
    filters = mel_filters().numpy()
    assert filters.shape == (NUM_BANDS, FFT_SAMPLES // 2 + 1)
    assert (filters >= 0).all()
    np.testing.assert_allclose(filters.sum(axis=1), 1.0, rtol=1e-5)
    peaks = filters.argmax(axis=1)
    assert (np.diff(peaks) >= 0).all()


def test_the_identity_contains_everything_that_affects_features() -> None:
    identity = LogMelEncoder().identity()
    assert identity["name"] == "log-mel"
    assert identity["window_seconds"] == 1.0
    assert "version" in identity


def test_a_window_is_the_same_live_and_in_a_file() -> None:
    windows = np.random.default_rng(0).standard_normal((3, 16_000)).astype(np.float32) / 10
    listen = LogMelEncoder().listen()
    live = np.concatenate([listen(window[None]) for window in windows])
    np.testing.assert_array_equal(live, LogMelEncoder().encode_recording(lambda: iter([windows])))
