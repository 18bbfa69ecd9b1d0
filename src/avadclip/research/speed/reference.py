"""The naive extraction that our own is compared with, as public repositories write it.

OpenCV decodes every frame and turns each to RGB, PIL resizes, and CLIP runs in eager float32 on one frame at a time.
The only file that imports OpenCV, which comes with `pip install 'avadclip[bench]'`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from avadclip.encoders.clip import Clip
from avadclip.encoders.preprocess import INPUT_SIZE, PIXEL_MEAN, PIXEL_STD


@torch.inference_mode()
def extract_naively(path: Path, clip: Clip, times: Sequence[float]) -> NDArray[np.float32]:
    """Features [N, D] of the frames at these times, N of them before the video's end.

    Args:
        path: a video of constant frame rate.
        clip: in float32, on the CPU.
        times: ascending, in seconds.
    """
    import cv2

    video = cv2.VideoCapture(str(path))
    rate_hz = video.get(cv2.CAP_PROP_FPS)
    wanted = {round(time * rate_hz) for time in times}
    rows = []
    index = 0
    while True:
        is_there, frame = video.read()
        if not is_there:
            break
        picture = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        if index in wanted:
            rows.append(clip.encode_images(_preprocess(Image.fromarray(picture))[None])[0].numpy())
        index += 1
    video.release()
    return np.array(rows, np.float32)


def _preprocess(image: Image.Image) -> Tensor:
    """CLIP's own: shorter side to 224 by PIL, the middle square, normalised, [3, 224, 224]."""
    scale = INPUT_SIZE / min(image.size)
    width, height = (max(INPUT_SIZE, int(side * scale)) for side in image.size)
    left, top = round((width - INPUT_SIZE) / 2), round((height - INPUT_SIZE) / 2)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    square = resized.crop((left, top, left + INPUT_SIZE, top + INPUT_SIZE))
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1).float() / 255
    return (pixels - torch.tensor(PIXEL_MEAN)[:, None, None]) / torch.tensor(PIXEL_STD)[:, None, None]
