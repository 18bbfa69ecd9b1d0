"""Conversion of decoded frames to RGB arrays: colour, size, rotation."""

from collections.abc import Iterator

import av
import numpy as np
from av.video.reformatter import ColorRange, ColorTrc, Interpolation, VideoReformatter
from numpy.typing import NDArray

_HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
_UNSPECIFIED = 2  # by the codes of ITU-T H.273, as below
_MATRICES = (0, 1, 2, 3, 4, 5, 6, 7, 9)  # supported by FFmpeg's scaler; it refuses YCgCo, ICtCp and the like


def quarter_turns(frame: av.VideoFrame) -> int:
    """Quarter turns counter-clockwise by the file's rotation flag, 0..3."""
    return round(frame.rotation / 90) % 4


class RgbConverter:
    """Converter of decoded frames to RGB through one reused scaler.

    Colour matrix and range are the file's own; a file that names none is read as BT.601, limited range, as FFmpeg and
    OpenCV do. The scaler sets itself up again where size or format change.

    Args:
        frame_size: (height, width) of the result, after rotation; None keeps the file's.
    """

    def __init__(self, frame_size: tuple[int, int] | None) -> None:
        self._frame_size = frame_size
        self._scaler = VideoReformatter()
        # Full size is for features that must match published ones: exact arithmetic. Small frames are for speed.
        exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
        self._quality = exact if frame_size is None else Interpolation.AREA
        self._sizes: list[str] = []
        self._turned = self._interlaced = self._hdr = self._unknown_matrix = False

    def convert(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Convert one frame to RGB [H, W, 3], rotated by its rotation flag."""
        self._look(frame)
        turns = quarter_turns(frame)
        height, width = self._frame_size or (None, None)
        if turns % 2:
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
        return np.ascontiguousarray(np.rot90(rgb, turns), dtype=np.uint8)

    def _look(self, frame: av.VideoFrame) -> None:
        size = f"{frame.width}x{frame.height}"
        if not self._sizes or self._sizes[-1] != size:
            self._sizes.append(size)
        self._turned |= quarter_turns(frame) > 0
        self._interlaced |= frame.interlaced_frame
        self._hdr |= frame.color_trc in _HDR
        if frame.colorspace not in _MATRICES:
            self._unknown_matrix = True
            frame.colorspace = _UNSPECIFIED

    def notes(self) -> Iterator[str]:
        """Irregularities of the frames converted so far, one line each."""
        if len(self._sizes) > 1:
            yield f"frame size changes {len(self._sizes) - 1} times: {', '.join(self._sizes[:4])}"
        if self._turned:
            yield "rotated by the rotation flag"
        if self._interlaced:
            yield "interlaced, not deinterlaced: fast motion shows comb lines"
        if self._hdr:
            yield "HDR, not tone-mapped: colours are washed out"
        if self._unknown_matrix:
            yield "unsupported colour matrix, read as BT.601: colours are inaccurate"
