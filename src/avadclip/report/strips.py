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
ONE_PASS_SECONDS = 300.0  # up to here the pictures of a film come from one pass over the video
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

    A video of more than ONE_PASS_SECONDS is not decoded once more: its film has the last key pictures before the times.

    Args:
        video: the scored file.
        seconds: its length, from the first picture.
        folder: created if missing; files are named FOLDER/film-NUMBER.jpg and FOLDER/waveform.png.
    """
    folder.mkdir(exist_ok=True)
    film: list[str | None] = []
    for number, picture in enumerate(_film(video, seconds), start=1):
        if picture is not None:
            Image.fromarray(picture).save(folder / f"film-{number:02d}.jpg", quality=JPEG_QUALITY)
        film.append(None if picture is None else f"{folder.name}/film-{number:02d}.jpg")
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


def _film(video: MediaFile, seconds: float) -> list[NDArray[np.uint8] | None]:
    """A picture for each part, [H, W, 3]; see write_strips."""
    size = PICTURE_HEIGHT, max(1, round(PICTURE_HEIGHT * video.info.width / video.info.height))
    times = [seconds * (number + 0.5) / NUM_PICTURES for number in range(NUM_PICTURES)]
    if seconds <= ONE_PASS_SECONDS:
        found = list(VideoReader(video, frame_size=size).frames_at(times))
        return [*found, *[None] * (NUM_PICTURES - len(found))]
    return [_key_picture(VideoReader(video, frame_size=size, skip_to_seconds=time)) for time in times]


def _key_picture(reader: VideoReader) -> NDArray[np.uint8] | None:
    try:
        return next(reader.frames_at([0.0]), None)  # where reading begins: nothing is decoded up to the time itself
    except MediaError:  # nothing can be read from there on
        return None


def _draw_waveform(peaks: NDArray[np.float32]) -> Image.Image:
    """Bars about the middle line, transparent elsewhere."""
    rows = np.abs(np.arange(2 * HALF_HEIGHT) + 0.5 - HALF_HEIGHT)
    is_inked = rows[:, None] <= np.maximum(peaks * HALF_HEIGHT, 0.5)
    pixels = np.zeros((*is_inked.shape, 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = INK, 255 * is_inked
    return Image.fromarray(pixels)
