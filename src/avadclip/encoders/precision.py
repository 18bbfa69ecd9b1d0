"""Precisions of CLIP's vision tower.

fp32    the default, as in published features
bf16    weights and arithmetic in bfloat16: fast if the processor or GPU supports it in hardware
int8    8-bit weights and 8-bit inputs of every product, scaled per image, on ONNX Runtime and the CPU
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor

from avadclip.encoders.clip import Clip
from avadclip.encoders.preprocess import normalise_pixels
from avadclip.errors import ConfigError

Precision = Literal["fp32", "bf16", "int8"]

PictureNetwork = Callable[[Tensor], Tensor]
"""Crops [N, 3, S, S], uint8 on the CPU, to features [N, embed_dim], float32 on the CPU."""


def precisions_on(device: str) -> tuple[Precision, ...]:
    """Supported precisions of a device."""
    return ("fp32", "bf16", "int8") if torch.device(device).type == "cpu" else ("fp32", "bf16")


def picture_network(clip: Clip, precision: Precision, device: str, weights_sha256: str) -> PictureNetwork:
    """Build the vision tower and its projection in a given precision.

    Args:
        clip: in float32, on the device; not changed.
        precision: see the module.
        device: device of fp32 and bf16.
        weights_sha256: hash of the vision tower and its projection.

    Raises:
        ConfigError: int8 on a device other than the CPU.
    """
    if precision not in precisions_on(device):
        raise ConfigError(f"{precision} runs on the CPU only, not on {device}; use bf16 there, or --device cpu")
    if precision == "int8":
        from avadclip.encoders.quantised import Int8Pictures

        return Int8Pictures(clip, weights_sha256)
    network = _in_bfloat16(clip) if precision == "bf16" else clip.encode_images
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32

    def encode(crops: Tensor) -> Tensor:
        return network(normalise_pixels(crops.to(device)).to(dtype)).float().cpu()

    return encode


def _in_bfloat16(clip: Clip) -> PictureNetwork:
    """Convert a copy, so that the text tower and other users of this CLIP stay in float32."""
    tower, projection = (deepcopy(part).bfloat16() for part in (clip.vision_model, clip.visual_projection))
    return lambda pixels: projection(tower(pixels, lean=True))
