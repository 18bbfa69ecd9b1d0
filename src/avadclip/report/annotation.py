"""Annotated video: score and events drawn into the frames."""

from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from avadclip.events import Event
from avadclip.inference.detector import Detection
from avadclip.media.mp4_copy import Progress, write_copy
from avadclip.media.probe import MediaFile
from avadclip.report.figures.panels import EVENT_COLOUR, SCORE_COLOUR
from avadclip.report.sounds import event_mark
from avadclip.report.words import clock, printable

BAR_SHARE = 0.03  # of the picture's height
TEXT_SHARE = 0.045


def write_annotated(
    detection: Detection, video: Path | MediaFile, target: Path, *, on_progress: Progress | None = None
) -> None:
    """Write an mp4 with a score bar below, and time, score and the event's label above; the sound is kept.

    Raises:
        MediaError: the video cannot be read.
    """
    write_copy(video, target, alter=Annotator(detection).draw, on_progress=on_progress)


class Annotator:
    """Overlay of a detection's score and events on video frames."""

    def __init__(self, detection: Detection) -> None:
        self._detection = detection
        self._boundaries = detection.track.boundaries()

    def draw(self, picture: NDArray[np.uint8], seconds: float) -> NDArray[np.uint8]:
        """Return a copy of the frame, RGB [H, W, 3], with the bar and text for this time."""
        score = self._score_at(seconds)
        event = self._event_at(seconds)
        image = Image.fromarray(picture)
        canvas = ImageDraw.Draw(image, "RGBA")
        self._draw_bar(canvas, image.size, score, is_event=event is not None)
        words = f"{clock(seconds, decimals=1)}  {score:.2f}"
        if event is not None:
            words += f"  {printable(event.label)} ({event_mark(event)})"
        _draw_words(canvas, image.size, words, EVENT_COLOUR if event is not None else "#000000")
        return np.asarray(image)

    def _score_at(self, seconds: float) -> float:
        index = int(np.searchsorted(self._boundaries, seconds, side="right")) - 1
        return float(self._detection.track.scores[min(index, len(self._boundaries) - 2)])

    def _event_at(self, seconds: float) -> Event | None:
        return next((event for event in self._detection.events if event.start <= seconds < event.end), None)

    def _draw_bar(self, canvas: ImageDraw.ImageDraw, size: tuple[int, int], score: float, *, is_event: bool) -> None:
        width, height = size
        top = height - max(4, round(BAR_SHARE * height))
        canvas.rectangle((0, top, width, height), fill=(0, 0, 0, 150))
        canvas.rectangle((0, top, round(score * width), height), fill=EVENT_COLOUR if is_event else SCORE_COLOUR)
        threshold = round(self._detection.thresholds.detection * width)
        canvas.line((threshold, top, threshold, height), fill="#ffffff", width=max(1, height // 300))


def _draw_words(canvas: ImageDraw.ImageDraw, size: tuple[int, int], words: str, ground: str) -> None:
    pixels = max(9, round(TEXT_SHARE * size[1]))
    pad = pixels // 3
    left, top, right, bottom = canvas.textbbox((2 * pad, 2 * pad), words, font=_font(pixels))
    canvas.rectangle((left - pad, top - pad, right + pad, bottom + pad), fill=f"{ground}c0")
    canvas.text((2 * pad, 2 * pad), words, font=_font(pixels), fill="#ffffff")


@cache
def _font(pixels: int) -> ImageFont.FreeTypeFont:
    # Matplotlib's font has the letters of most scripts written from left to right.
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), pixels)
