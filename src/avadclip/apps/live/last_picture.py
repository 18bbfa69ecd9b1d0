"""The last picture of a camera, for a page: a small JPEG every few seconds."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass

import av
from PIL import Image

from avadclip.media.pixels import RgbConverter, quarter_turns

MAX_WIDTH = 640  # pixels
PICTURE_SECONDS = 3.0  # between two pictures
JPEG_QUALITY = 75


@dataclass(frozen=True)
class LastPicture:
    """A picture of a camera."""

    time: float
    """Unix time at which it was decoded."""
    jpeg: bytes


class PictureTaker:
    """Taker of pictures from the frames that snippets sample; the others cost nothing.

    Args:
        send: called with every picture.
        seconds: time between two pictures, on this machine's clock.
    """

    def __init__(self, send: Callable[[LastPicture], None], *, seconds: float = PICTURE_SECONDS) -> None:
        self._send = send
        self._seconds = seconds
        self._due = 0.0
        self._size: tuple[int, int] | None = None
        self._converter = RgbConverter(None)

    def look_at(self, frame: av.VideoFrame) -> None:
        """Take a picture of this frame if one is due."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + self._seconds
        if (size := _shown_size(frame)) != self._size:
            self._size, self._converter = size, RgbConverter(size)
        file = io.BytesIO()
        Image.fromarray(self._converter.convert(frame)).save(file, "jpeg", quality=JPEG_QUALITY)
        self._send(LastPicture(time.time(), file.getvalue()))


def _shown_size(frame: av.VideoFrame) -> tuple[int, int]:
    """(height, width) of the picture, upright, at most MAX_WIDTH wide."""
    width, height = (frame.height, frame.width) if quarter_turns(frame) % 2 else (frame.width, frame.height)
    shrink = min(1.0, MAX_WIDTH / width)
    return max(1, round(height * shrink)), max(1, round(width * shrink))
