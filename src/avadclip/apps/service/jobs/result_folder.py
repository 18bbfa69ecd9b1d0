"""Result folder of a finished job: result files, event pictures, and the video of its page."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from avadclip.files import write_atomically
from avadclip.media.mp4_copy import write_copy
from avadclip.media.playable import why_unplayable
from avadclip.media.probe import MediaFile
from avadclip.report.html import PageMedia

if TYPE_CHECKING:
    from avadclip.inference.detector import Detection

MEDIA_NAME = "media.json"
COPY_NAME = "video.mp4"
VIDEO_URL = "video"
"""URL of the job's video in its page; the service resolves the file."""


def write_result(detection: "Detection", video: Path, folder: Path, *, on_progress: Callable[[], None]) -> None:
    """Write the folder, which appears when all of it is complete.

    Args:
        detection: the result.
        video: the scored file; one that browsers cannot play gets a copy in the folder.
        folder: created if missing.
        on_progress: called repeatedly while a copy is written.

    Raises:
        MediaError: the video cannot be read.
    """
    # These import PyTorch, which the process that only reads folders does not need.
    from avadclip.report.folder import staged, write_files
    from avadclip.report.pictures import write_pictures

    media = MediaFile.open(video)
    with staged(folder) as stage:
        write_files(write_pictures(detection, media, stage / "pictures"), stage)
        page_media = _prepare_media(media, stage, on_progress)
        write_atomically(stage / MEDIA_NAME, json.dumps(dataclasses.asdict(page_media)))


def read_media(folder: Path) -> PageMedia:
    """The video of a folder's page."""
    return PageMedia(**json.loads((folder / MEDIA_NAME).read_text(encoding="utf-8")))


def _prepare_media(media: MediaFile, stage: Path, on_progress: Callable[[], None]) -> PageMedia:
    reason = why_unplayable(media)
    if reason is None:
        return PageMedia(VIDEO_URL, offset_seconds=max(media.zero_seconds, 0.0))
    write_copy(media, stage / COPY_NAME, on_progress=lambda _seconds: on_progress())
    return PageMedia(COPY_NAME, note=f"You see an H.264 copy, since browsers may not play the file itself ({reason}).")
