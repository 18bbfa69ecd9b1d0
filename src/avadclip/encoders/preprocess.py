"""CLIP's preprocessing of full-size frames in torch, within 1/255 of PIL.

Everything up to the crop is computed in 8 bits, as in PIL, and on the CPU: features do not depend on the device.
The horizontal pass comes first, as in Pillow before 13 (which begins vertically for some tall frames).
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from avadclip.encoders.base import Frame
from avadclip.errors import MediaError

INPUT_SIZE = 224  # pixels a side; CLIP ViT-B/16's
PUBLISHED_SIZE = (256, 340)  # height, width; the published features' frames, aspect not kept
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of RGB within [0, 1]; CLIP's
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
LONGEST_ASPECT = 32  # longer : shorter side; a longer frame would only cost memory

Kernel = Literal["bicubic", "bilinear"]
"""`bicubic`: antialiased, as CLIP's own. `bilinear`: not antialiased, as OpenCV's resize by default."""
Framing = Literal["centre", "published"]
"""`centre`: shorter side to 224, centre square. `published`: resized to 340 x 256, one to ten square crops of it."""


def crop_frame(frame: Frame, framing: Framing = "centre", num_crops: int = 1, *, kernel: Kernel = "bicubic") -> Tensor:
    """Resize one frame and cut its crops.

    Args:
        frame: [H, W, 3] uint8 RGB.
        framing: see Framing.
        num_crops: 1 (the centre), 5 (and the corners: top left, top right, bottom left, bottom right) or 10 (and the
            mirror images of these five). `centre` has one.
        kernel: CLIP's; another one only to find out what others took.

    Returns:
        [num_crops, 3, 224, 224] uint8

    Raises:
        MediaError: the frame is more than 32 times as long as it is wide.
    """
    if framing == "centre":
        return _centre_crop(resize_frame(frame, *_shorter_side_to(frame, INPUT_SIZE), kernel=kernel))[None]
    image = resize_frame(frame, *PUBLISHED_SIZE, kernel=kernel)
    crops = torch.stack([_centre_crop(image), *(_corner_crops(image) if num_crops > 1 else [])])
    return torch.cat([crops, crops.flip(-1)]) if num_crops > 5 else crops


def normalise_pixels(crops: Tensor) -> Tensor:
    """crops: [.., 3, S, S] uint8. Returns the same shape in float32, normalised for CLIP."""
    mean = torch.tensor(PIXEL_MEAN, device=crops.device)[:, None, None]
    std = torch.tensor(PIXEL_STD, device=crops.device)[:, None, None]
    return (crops.float() / 255 - mean) / std


def _shorter_side_to(frame: Frame, size: int) -> tuple[int, int]:
    """Height and width with the aspect kept; the longer side is cut to an integer, as in CLIP's own preprocessing."""
    height, width = frame.shape[:2]
    shorter, longer = sorted((height, width))
    if longer > LONGEST_ASPECT * shorter:
        raise MediaError(
            f"frames of {width} x {height} pixels are too narrow to encode, needed at most 1 : {LONGEST_ASPECT};"
            " crop the video first"
        )
    longer = size * longer // shorter
    return (size, longer) if height <= width else (longer, size)


def resize_frame(frame: Frame, height: int, width: int, *, kernel: Kernel = "bicubic") -> Tensor:
    """[H, W, 3] to [3, height, width], uint8."""
    # A view with channels last: torch has a fast 8-bit kernel for it, which rounds as PIL does.
    image = torch.from_numpy(np.require(frame, requirements=["C", "W"])).permute(2, 0, 1)[None]
    return interpolate(image, size=(height, width), mode=kernel, antialias=kernel == "bicubic")[0]


def _centre_crop(image: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    # Half a pixel is rounded to the even neighbour, as the original preprocessing does by Python's round().
    return _crop(image, round((height - INPUT_SIZE) / 2), round((width - INPUT_SIZE) / 2))


def _corner_crops(image: Tensor) -> list[Tensor]:
    bottom, right = image.shape[-2] - INPUT_SIZE, image.shape[-1] - INPUT_SIZE
    return [_crop(image, top, left) for top in (0, bottom) for left in (0, right)]


def _crop(image: Tensor, top: int, left: int) -> Tensor:
    return image[:, top : top + INPUT_SIZE, left : left + INPUT_SIZE]
