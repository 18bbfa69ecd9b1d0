"""Key frames: one small JPEG a snippet, and the one of an event's highest-scored snippet as a file."""

import io
import logging
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import av
from PIL import Image

from avadclip.files import write_atomically
from avadclip.media.pixels import RgbConverter, quarter_turns

MAX_SIDE = 640  # pixels, of width and height
JPEG_QUALITY = 80

log = logging.getLogger(__name__)


class KeyFrameMaker:
    """Maker of JPEGs of one camera's frames, in the camera's process; it never enlarges."""

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None
        self._converter = RgbConverter(None)

    def jpeg(self, frame: av.VideoFrame) -> bytes:
        """JPEG of a frame, upright, at most MAX_SIDE wide and high."""
        size = _shown_size(frame)
        if size != self._size:
            self._size, self._converter = size, RgbConverter(size)
        file = io.BytesIO()
        Image.fromarray(self._converter.convert(frame)).save(file, "jpeg", quality=JPEG_QUALITY)
        return file.getvalue()


class EventPicture(NamedTuple):
    """The picture of an event, as far as the event is known."""

    jpeg: bytes
    path: str | None
    """None where it could not be written."""
    link: str | None
    """Its address at the service; None without one."""


class EventPictures:
    """Writer of the events' pictures, `<event id>.jpg`.

    Args:
        folder: of the pictures.
        address: of the service as its users reach it; None: pictures have no links.
    """

    def __init__(self, folder: Path, address: str | None = None) -> None:
        self._folder = folder.resolve()
        self._address = address

    def keep(self, event: str, jpeg: bytes, before: EventPicture | None = None) -> EventPicture:
        """Write the picture of an event, in place of the one `before`; a failure is logged, and holds up no event."""
        if before is not None and before.jpeg is jpeg:
            return before
        path = self._folder / f"{event}.jpg"
        try:
            write_atomically(path, jpeg)
        except OSError as error:
            log.warning("the picture of %s cannot be written (%s)", event, error.strerror)
            return EventPicture(jpeg, *((None, None) if before is None else before[1:]))
        link = None if self._address is None else f"{self._address}/api/live-events/{quote(event)}/picture"
        return EventPicture(jpeg, str(path), link)


def _shown_size(frame: av.VideoFrame) -> tuple[int, int]:
    """(height, width) of a frame's picture, upright."""
    width, height = (frame.height, frame.width) if quarter_turns(frame) % 2 else (frame.width, frame.height)
    shrink = min(1.0, MAX_SIDE / max(width, height))
    return max(1, round(height * shrink)), max(1, round(width * shrink))
