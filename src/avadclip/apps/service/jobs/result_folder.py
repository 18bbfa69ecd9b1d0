"""Result folder of a finished job: result files, pictures, and the video of its page."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avadclip.files import write_atomically
from avadclip.media.mp4_copy import write_copy
from avadclip.media.playable import MEDIA_TYPES, media_type, why_unplayable
from avadclip.media.probe import MediaFile
from avadclip.report.html import PageMedia

if TYPE_CHECKING:
    from avadclip.inference.detector import Detection

MEDIA_NAME = "media.json"
TYPE_KEY = "media_type"
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
    from avadclip.report.strips import write_strips

    media = MediaFile.open(video)
    with staged(folder) as stage:
        write_files(write_pictures(detection, media, stage / "pictures"), stage)
        film, waveform = write_strips(media, detection.media.duration_seconds, stage / "pictures")
        page_media = dataclasses.replace(_prepare_media(media, stage, on_progress), film=film, waveform=waveform)
        kept = dataclasses.asdict(page_media) | {TYPE_KEY: media_type(video)}
        write_atomically(stage / MEDIA_NAME, json.dumps(kept))


def read_media(folder: Path) -> PageMedia:
    """The video of a folder's page."""
    return PageMedia(**{key: value for key, value in _kept(folder).items() if key != TYPE_KEY})


def read_media_type(folder: Path, video: Path) -> str | None:
    """Media type of a folder's scored video by its content; None if browsers know none."""
    kept = _kept(folder)
    if TYPE_KEY not in kept and kept["url"] == VIDEO_URL:  # 0.1.0 did not keep it; it played these two
        return MEDIA_TYPES["webm" if video.suffix.lower() == ".webm" else "mp4"]
    value: str | None = kept.get(TYPE_KEY)
    return value


def _kept(folder: Path) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((folder / MEDIA_NAME).read_text(encoding="utf-8"))
    return kept


def _prepare_media(media: MediaFile, stage: Path, on_progress: Callable[[], None]) -> PageMedia:
    reason = why_unplayable(media)
    if reason is None:
        return PageMedia(VIDEO_URL, offset_seconds=max(media.zero_seconds, 0.0))
    write_copy(media, stage / COPY_NAME, on_progress=lambda _seconds: on_progress())
    return PageMedia(COPY_NAME, note=f"You see an H.264 copy, since browsers may not play the file itself ({reason}).")
