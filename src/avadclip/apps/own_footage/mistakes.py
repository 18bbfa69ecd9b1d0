"""The worst mistakes out of fold, each with the frame that the network scored highest."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from avadclip.apps.own_footage.measure import Measured
from avadclip.errors import MediaError
from avadclip.media.probe import MediaFile
from avadclip.media.video import VideoReader
from avadclip.report.pictures import JPEG_QUALITY, WIDTH

MOST = 10


class Mistake(NamedTuple):
    """A video that was ranked on the wrong side of videos of the other kind."""

    video: str
    """Path."""
    label: str
    score: float
    """Its highest."""
    seconds: float
    """Where the highest-scored snippet is, in the middle of it."""
    wrong_side_of: int
    """Videos of the other kind that it is not on the right side of."""
    num_others: int
    is_anomalous: bool

    @property
    def name(self) -> str:
        """The file with its folder."""
        return "/".join(Path(self.video).parts[-2:])


def worst_mistakes(measured: Measured, classes: Sequence[str]) -> list[Mistake]:
    """At most ten, those first that the most videos of the other kind are on the wrong side of."""
    peaks, is_anomalous = measured.peaks, measured.is_anomalous
    found = []
    for index, (bag, curve) in enumerate(zip(measured.bags, measured.curves, strict=True)):
        others = peaks[is_anomalous != is_anomalous[index]]
        wrong = (others >= peaks[index]) if is_anomalous[index] else (others <= peaks[index])
        grid = bag.stored.provenance.grid if bag.stored.provenance is not None else None
        length = 0.0 if grid is None else grid.snippet_seconds
        labels = [name for name, target in zip(classes, bag.targets, strict=True) if target]
        middle = (int(np.argmax(curve)) + 0.5) * length
        found.append(
            Mistake(
                bag.name,
                ", ".join(labels),
                float(peaks[index]),
                middle,
                int(wrong.sum()),
                len(others),
                bool(is_anomalous[index]),
            )
        )
    ranked = sorted(found, key=lambda each: (-each.wrong_side_of / each.num_others, each.video))
    return [each for each in ranked[:MOST] if each.wrong_side_of]


def key_frame(mistake: Mistake) -> str | None:
    """The frame as a data: URL, JPEG; None where the video can no longer be read there."""
    try:
        media = MediaFile.open(Path(mistake.video))
        height = max(1, round(WIDTH * media.info.height / media.info.width))
        picture = next(iter(VideoReader(media, frame_size=(height, WIDTH)).frames_at([mistake.seconds])), None)
    except (MediaError, OSError):
        return None
    if picture is None:
        return None
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "jpeg", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
