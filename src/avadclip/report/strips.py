"""Filmstrip and waveform of a video, which its page shows under the score curve."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avadclip.errors import MediaError
from avadclip.media.audio import SoundReader
from avadclip.media.probe import MediaFile
from avadclip.media.video import VideoReader

NUM_PICTURES = 12
PICTURE_HEIGHT = 72  # pixels; shown at half of that, and sharp on dense screens
JPEG_QUALITY = 75
COLUMNS, HALF_HEIGHT = 1600, 32  # of the waveform, pixels
QUIETEST = 1e-3  # highest sample of a waveform, -60 dBFS; below it the line would show noise as sound
INK = (128, 128, 128)  # to be seen on light and on dark pages


class Strips(NamedTuple):
    """File names, by the folder that the page names its pictures by."""

    film: tuple[str | None, ...]
    """Pictures at the middles of equal parts of the video; None where a part cannot be read."""
    waveform: str | None
    """None for a video without sound, or with silence."""


def write_strips(video: MediaFile, seconds: float, folder: Path) -> Strips:
    """Write both into a folder.

    The pictures are sought one by one, so that a long video is not decoded once more.

    Args:
        video: the scored file.
        seconds: its length, from the first picture.
        folder: created if missing; files are named FOLDER/film-NUMBER.jpg and FOLDER/waveform.png.
    """
    folder.mkdir(exist_ok=True)
    height_width = PICTURE_HEIGHT, max(1, round(PICTURE_HEIGHT * video.info.width / video.info.height))
    film = []
    for number in range(NUM_PICTURES):
        picture = _picture_at(video, seconds * (number + 0.5) / NUM_PICTURES, height_width)
        if picture is not None:
            Image.fromarray(picture).save(folder / f"film-{number + 1:02d}.jpg", quality=JPEG_QUALITY)
        film.append(None if picture is None else f"{folder.name}/film-{number + 1:02d}.jpg")
    peaks = sound_peaks(video, seconds)
    if peaks is not None:
        _draw_waveform(peaks).save(folder / "waveform.png", optimize=True)
    return Strips(tuple(film), None if peaks is None else f"{folder.name}/waveform.png")


def sound_peaks(video: MediaFile, seconds: float) -> NDArray[np.float32] | None:
    """The highest absolute sample of each of COLUMNS equal parts, divided by the highest of all; None in silence."""
    sound = SoundReader(video)
    if not sound.has_sound:
        return None
    part = seconds / COLUMNS
    centres = ((column + 0.5) * part for column in range(COLUMNS))
    try:
        peaks = np.array([np.abs(window).max(initial=0.0) for window in sound.windows(centres, part)], np.float32)
    except MediaError:  # the result says what is wrong with it
        return None
    return None if peaks.max() < QUIETEST else peaks / peaks.max()


def _picture_at(video: MediaFile, seconds: float, height_width: tuple[int, int]) -> NDArray[np.uint8] | None:
    reader = VideoReader(video, frame_size=height_width, skip_to_seconds=seconds)
    try:
        return next(iter(list(reader.frames_at([seconds]))), None)
    except MediaError:
        return None


def _draw_waveform(peaks: NDArray[np.float32]) -> Image.Image:
    """Bars about the middle line, transparent elsewhere."""
    rows = np.abs(np.arange(2 * HALF_HEIGHT) + 0.5 - HALF_HEIGHT)
    is_inked = rows[:, None] <= np.maximum(peaks * HALF_HEIGHT, 0.5)
    pixels = np.zeros((*is_inked.shape, 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = INK, 255 * is_inked
    return Image.fromarray(pixels)
