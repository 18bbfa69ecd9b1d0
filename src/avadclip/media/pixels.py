"""Decoded pictures to RGB arrays: colour, size, rotation."""

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray


class RgbConverter:
    """Turns decoded pictures into RGB through one reused scaler.

    Colour matrix and range are the file's own; a file that names none is read as BT.601, limited range, as FFmpeg and
    OpenCV do.
    """

    def __init__(self, frame_size: tuple[int, int] | None) -> None:
        self._frame_size = frame_size
        self._scaler = VideoReformatter()
        # Full size is for features that must match published ones: exact arithmetic. Small frames are for speed.
        self._quality = (
            Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
            if frame_size is None
            else Interpolation.AREA
        )

    def convert(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """One picture as RGB [H, W, 3], turned as its rotation flag says; an array of its own."""
        quarter_turns = round(frame.rotation / 90) % 4
        height, width = self._frame_size or (None, None)
        if quarter_turns % 2:
            height, width = width, height
        rgb = self._scaler.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            dst_color_range=ColorRange.JPEG,
            interpolation=self._quality,
            threads=1,
        ).to_ndarray()
        return np.ascontiguousarray(np.rot90(rgb, quarter_turns))
