"""Audio encoder of `lite`: statistics of a log-mel spectrogram, without network and weights."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avadclip.encoders.base import Identity, Windows
from avadclip.encoders.rows import Rows
from avadclip.media.track import SAMPLE_RATE_HZ

NUM_BANDS = 64
FFT_SAMPLES = 512  # 32 ms
HOP_SAMPLES = 160  # 10 ms
LOWEST_HZ, HIGHEST_HZ = 60.0, 7_800.0
POWER_FLOOR = 1e-7


class LogMelEncoder:
    """Audio encoder: mean, standard deviation and maximum of every log-mel band. See base.AudioEncoder."""

    name = "log-mel"
    dim = 3 * NUM_BANDS
    window_seconds = 1.0
    reads_once = True

    def __init__(self) -> None:
        self._filters = mel_filters()

    def encode_recording(self, read_windows: Callable[[], Iterator[Windows]]) -> NDArray[np.float32]:
        """See base.AudioEncoder.encode_recording; one pass."""
        rows = Rows(self.dim)
        for batch in read_windows():
            rows.append(self._encode(torch.from_numpy(batch)))
        return rows.take()

    def listen(self) -> Callable[[Windows], NDArray[np.float32]]:
        """See base.AudioEncoder.listen; without normalisation, features are the same live and in a file."""
        return lambda windows: self._encode(torch.from_numpy(windows))

    def _encode(self, samples: Tensor) -> NDArray[np.float32]:
        spectrum = torch.stft(
            samples,
            FFT_SAMPLES,
            hop_length=HOP_SAMPLES,
            window=torch.hann_window(FFT_SAMPLES),
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        bands = (self._filters @ spectrum.abs().square() + POWER_FLOOR).log()  # [N, bands, frames]
        statistics = torch.cat([bands.mean(dim=2), bands.std(dim=2), bands.amax(dim=2)], dim=1)
        features: NDArray[np.float32] = statistics.numpy()
        return features

    def identity(self) -> Identity:
        """See base.Identity."""
        return {
            "name": self.name,
            "window_seconds": self.window_seconds,
            "normalisation": "none",
            "precision": "fp32",
            "version": 1,
        }


def mel_filters() -> Tensor:
    """Triangles evenly spaced on the mel scale (2595 log10(1 + f / 700)), [NUM_BANDS, FFT_SAMPLES / 2 + 1]."""
    lowest, highest = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (LOWEST_HZ, HIGHEST_HZ))
    corners = 700.0 * (10.0 ** (np.linspace(lowest, highest, NUM_BANDS + 2) / 2595.0) - 1.0)
    bins = np.fft.rfftfreq(FFT_SAMPLES, 1.0 / SAMPLE_RATE_HZ)
    left, centre, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    filters = np.clip(np.minimum(rising, falling), 0.0, None)
    # The lowest triangle is 59 Hz wide and bins are 31 Hz apart, so no triangle is empty.
    return torch.from_numpy(filters / filters.sum(axis=1, keepdims=True)).float()
