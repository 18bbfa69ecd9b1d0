"""Snapshots of the events, taken at their highest scores."""

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from avadclip.events import Event
from avadclip.inference.detector import Detection
from avadclip.media.probe import MediaFile
from avadclip.media.video import VideoReader

WIDTH = 320  # pixels; shown at a third of that, and sharp on dense screens
JPEG_QUALITY = 82


def write_pictures(detection: Detection, video: Path | MediaFile, folder: Path) -> Detection:
    """Write NUMBER.jpg for every event, in one pass over the video.

    Args:
        detection: the events to picture.
        video: the scored file.
        folder: created if missing and if there are events; snapshots are named FOLDER/NUMBER.jpg.

    Returns:
        The detection with `snapshot` set. An event after the last frame has none.

    Raises:
        MediaError: the video cannot be read.
    """
    media = detection.media
    height = max(1, round(WIDTH * media.height / media.width))
    reader = VideoReader(video, frame_size=(height, WIDTH))
    times = [_peak_seconds(detection, event) for event in detection.events]
    snapshots: list[str] = []
    # Without requested times the reader would decode the whole video.
    for number, picture in enumerate(reader.frames_at(times) if times else (), start=1):
        folder.mkdir(exist_ok=True)
        name = f"{number:04d}.jpg"
        Image.fromarray(picture).save(folder / name, quality=JPEG_QUALITY)
        snapshots.append(f"{folder.name}/{name}")
    missing = [None] * (len(times) - len(snapshots))
    events = [
        event.model_copy(update={"snapshot": snapshot})
        for event, snapshot in zip(detection.events, [*snapshots, *missing], strict=True)
    ]
    return dataclasses.replace(detection, events=tuple(events))


def _peak_seconds(detection: Detection, event: Event) -> float:
    """Centre of the event's snippet with the highest score."""
    boundaries = detection.track.boundaries()
    centres = (boundaries[:-1] + boundaries[1:]) / 2
    inside = np.flatnonzero((centres >= event.start) & (centres < event.end))
    peak = inside[detection.track.scores[inside].argmax()]
    return float(centres[peak])
