"""Wav2CLIP (Wu et al., ICASSP 2022): one second of audio to a vector in CLIP's space, ported to plain torch.

The published function z-scores the spectrograms of a batch, so that a window's vector depends on the other windows in
the batch. Here the unit of normalisation is fixed (a recording, or each window), and windows are regrouped into batches
of one size, so that features do not depend on the reader's batches.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import batch_norm, max_pool2d, relu

from avadclip.encoders.base import Identity, Windows
from avadclip.encoders.frozen import FrozenModule
from avadclip.encoders.rows import Rows

FFT_SAMPLES = 512
HOP_SAMPLES = 353
POWER_FLOOR = 1e-7  # added to the power before the logarithm
DEVIATION_FLOOR = 1e-9  # added to the deviation before the division
WINDOWS_PER_BATCH = 32

Normalisation = Literal["recording", "window"]
"""Unit over which spectrograms are z-scored: all windows of the recording, or each window."""


def log_spectrogram(windows: Tensor) -> Tensor:
    """Log power spectrogram, not normalised.

    Args:
        windows: [N, samples] mono at 16 kHz, at least 257 samples.

    Returns:
        [N, 1, 257, 1 + samples // 353]
    """
    spectrum = torch.stft(
        windows,
        n_fft=FFT_SAMPLES,
        hop_length=HOP_SAMPLES,
        window=torch.hann_window(FFT_SAMPLES, device=windows.device),
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    return torch.log(spectrum.abs().square() + POWER_FLOOR)[:, None]


@dataclass(frozen=True)
class Moments:
    """Running count, mean and sum of squared deviations, in float64."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: Tensor) -> "Moments":
        """Return the moments including these values (Chan et al., 1979)."""
        values = values.double()
        count, mean = values.numel(), float(values.mean())
        total, shift = self.count + count, mean - self.mean
        squares = float((values - mean).square().sum()) + shift**2 * self.count * count / total
        return Moments(total, self.mean + shift * count / total, self.squares + squares)

    @property
    def deviation(self) -> float:
        """Standard deviation with Bessel's correction, as torch.std in the published function."""
        return math.sqrt(self.squares / max(self.count - 1, 1))


class BatchNorm(nn.Module):
    """Batch norm that always uses its stored statistics."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name, start in {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}.items():
            self.register_buffer(name, torch.full((channels,), start))

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, channels, H, W]. Returns the same shape."""
        weight, bias = self.get_buffer("weight"), self.get_buffer("bias")
        return batch_norm(x, self.get_buffer("running_mean"), self.get_buffer("running_var"), weight, bias)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a residual connection."""

    def __init__(self, *, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = BatchNorm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = BatchNorm(outputs)
        self.downsample = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), BatchNorm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, inputs, H, W]. Returns [N, outputs, H / stride, W / stride]."""
        residual = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        return relu(residual + self.downsample(x))


class ResNet18(nn.Module):
    """ResNet-18 on one channel, with torchvision's names and without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = BatchNorm(64)
        self.layer1 = _stage(64, 64, stride=1)
        self.layer2 = _stage(64, 128, stride=2)
        self.layer3 = _stage(128, 256, stride=2)
        self.layer4 = _stage(256, 512, stride=2)

    def forward(self, images: Tensor) -> Tensor:
        """images: [N, 1, H, W]. Returns [N, 512]."""
        x = max_pool2d(relu(self.bn1(self.conv1(images))), 3, stride=2, padding=1)
        return cast(Tensor, self.layer4(self.layer3(self.layer2(self.layer1(x))))).mean(dim=(2, 3))


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    first = BasicBlock(inputs=inputs, outputs=outputs, stride=stride)
    return nn.Sequential(first, BasicBlock(inputs=outputs, outputs=outputs, stride=1))


class Wav2Clip(FrozenModule):
    """Network on normalised spectrograms; features are not normalised."""

    title = "Wav2CLIP"

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet18()
        self.projection = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512))
        self.train(False)

    def forward(self, images: Tensor) -> Tensor:
        """images: [N, 1, 257, frames], z-scored log-spectrograms. Returns [N, 512]."""
        return cast(Tensor, self.projection(self.resnet(images)))


class Wav2ClipEncoder:
    """Wav2CLIP as the audio encoder of feature extraction."""

    name = "wav2clip"
    dim = 512
    reads_once = False

    def __init__(
        self,
        net: Wav2Clip,
        *,
        window_seconds: float = 1.0,
        normalisation: Normalisation = "recording",
        device: str = "cpu",
    ) -> None:
        self.window_seconds = window_seconds
        self.normalisation = normalisation
        self._sha256 = net.sha256()
        self._net = net.to(device)
        self._device = device

    def encode_recording(self, read_windows: Callable[[], Iterator[Windows]]) -> NDArray[np.float32]:
        """See AudioEncoder. With normalisation `recording` the audio is read twice."""
        recording = Moments()
        if self.normalisation == "recording":
            for batch in _regroup(read_windows(), WINDOWS_PER_BATCH):
                recording = recording.add(self._spectrogram(batch))
        rows = Rows(self.dim)
        for batch in _regroup(read_windows(), WINDOWS_PER_BATCH):
            rows.append(self.encode_windows(batch, recording))
        return rows.take()

    def listen(self) -> Callable[[Windows], NDArray[np.float32]]:
        """See AudioEncoder. With normalisation `recording`, statistics cover all windows up to and including these."""
        so_far = Moments()

        def encode(windows: Windows) -> NDArray[np.float32]:
            nonlocal so_far
            if self.normalisation == "recording":
                so_far = so_far.add(self._spectrogram(windows))
            return self.encode_windows(windows, so_far)

        return encode

    @torch.inference_mode()
    def encode_windows(self, windows: Windows, recording: Moments) -> NDArray[np.float32]:
        """Encode a few windows, [N, 512].

        Args:
            windows: [N, samples]
            recording: moments of the recording's log-spectrograms; unused with normalisation `window`.
        """
        images = self._spectrogram(windows)
        if self.normalisation == "recording":
            images = (images - recording.mean) / (recording.deviation + DEVIATION_FLOOR)
        else:
            images = torch.stack([_alone(image) for image in images])
        return cast(NDArray[np.float32], self._net(images).cpu().numpy())

    def identity(self) -> Identity:
        """See Identity."""
        return {
            "name": self.name,
            "weights_sha256": self._sha256,
            "window_seconds": self.window_seconds,
            "normalisation": self.normalisation,
            "precision": "fp32",
        }

    def _spectrogram(self, windows: Windows) -> Tensor:
        return log_spectrogram(torch.from_numpy(windows).to(self._device))


def _alone(image: Tensor) -> Tensor:
    moments = Moments().add(image)
    return (image - moments.mean) / (moments.deviation + DEVIATION_FLOOR)


def _regroup(batches: Iterable[Windows], size: int) -> Iterator[Windows]:
    """Regroup windows into batches of `size`; the last may be shorter."""
    kept: list[Windows] = []
    for batch in batches:
        kept.append(batch)
        if sum(map(len, kept)) < size:
            continue
        joined = np.concatenate(kept)
        whole = len(joined) // size * size
        yield from np.split(joined[:whole], whole // size)
        kept = [joined[whole:]]
    if any(map(len, kept)):
        yield np.concatenate(kept)
