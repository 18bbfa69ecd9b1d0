"""CLIP as the visual encoder of feature extraction."""

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avadclip.encoders.base import Frame, Identity, Prepared
from avadclip.encoders.clip import Clip
from avadclip.encoders.precision import Precision, picture_network
from avadclip.encoders.preprocess import Framing, crop_frame
from avadclip.timeline import SNIPPET_FRAMES

IMAGES_PER_BATCH = 16  # of one forward pass; larger batches are not faster on a CPU
IMAGES_PER_GPU_BATCH = 128  # not measured: no GPU was available


class ClipVisualEncoder:
    """Visual encoder: the mean CLIP embedding of some frames of a snippet, one row per crop.

    Args:
        clip: the loaded model.
        frames_per_snippet: 1 uses a snippet's first frame, n uses n evenly spaced ones. Which one the published
            features used is unknown.
        framing: see preprocess.Framing.
        num_crops: 1, 5 or 10; more than 1 with `published` framing only.
        snippet_frames: model frames in a snippet.
        device: device of the vision tower; frames are resized on the CPU.
        precision: precision of the vision tower, see precision.py.
    """

    name = "clip"
    frame_size: tuple[int, int] | None = None  # full size: FFmpeg's scaler differs from CLIP's by whole grey levels

    def __init__(
        self,
        clip: Clip,
        *,
        frames_per_snippet: int = 1,
        framing: Framing = "centre",
        num_crops: int = 1,
        snippet_frames: int = SNIPPET_FRAMES,
        device: str = "cpu",
        precision: Precision = "fp32",
    ) -> None:
        self.dim = clip.config.embed_dim
        self.frame_offsets = tuple(i * snippet_frames // frames_per_snippet for i in range(frames_per_snippet))
        self.framing = framing
        self.num_crops = num_crops
        self.precision = precision
        self._frames_per_batch = max(1, (IMAGES_PER_BATCH if device == "cpu" else IMAGES_PER_GPU_BATCH) // num_crops)
        self.snippets_per_batch = max(1, self._frames_per_batch // frames_per_snippet)
        self._sha256 = clip.sha256("vision_model.", "visual_projection.")
        self._network = picture_network(clip.to(device), precision, device, self._sha256)

    def prepare(self, frame: Frame) -> Prepared:
        """See VisualEncoder; the crops, [num_crops, 3, 224, 224]."""
        return cast(Prepared, crop_frame(frame, self.framing, self.num_crops).numpy())

    @torch.inference_mode()
    def encode(self, frames: list[Prepared]) -> NDArray[np.float32]:
        """See VisualEncoder."""
        starts = range(0, len(frames), self._frames_per_batch)
        batches = [self._encode_frames(frames[start : start + self._frames_per_batch]) for start in starts]
        rows = torch.cat([torch.zeros(0, self.num_crops, self.dim), *batches])  # [frames, crops, dim]
        snippets = rows.view(-1, len(self.frame_offsets), self.num_crops, self.dim).mean(dim=1)
        return cast(NDArray[np.float32], snippets.transpose(0, 1).contiguous().numpy())

    def identity(self) -> Identity:
        """See Identity."""
        return {
            "name": self.name,
            "weights_sha256": self._sha256,
            "frame_offsets": list(self.frame_offsets),
            "framing": self.framing,
            "num_crops": self.num_crops,
            "precision": self.precision,
        }

    def _encode_frames(self, frames: list[Prepared]) -> Tensor:
        features = self._network(torch.from_numpy(np.concatenate(frames)))
        return features.view(len(frames), self.num_crops, self.dim)
