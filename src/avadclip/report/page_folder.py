"""Report folders with a web page, and their index page."""

import json
import os
from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from avadclip.errors import DataError, MediaError
from avadclip.files import write_atomically
from avadclip.inference.detector import Detection
from avadclip.media.mp4_copy import Progress, write_copy
from avadclip.media.playable import why_unplayable
from avadclip.media.probe import MediaFile, MediaInfo, SoundInfo
from avadclip.media.video import VideoReader
from avadclip.report.annotation import write_annotated
from avadclip.report.elan import write_elan
from avadclip.report.exports import FORMAT, to_document
from avadclip.report.extras import Extra
from avadclip.report.folder import staged, write_files
from avadclip.report.html import IndexEntry, PageMedia, PagePlaces, render_index, render_page, write_assets
from avadclip.report.label_studio import write_label_studio
from avadclip.report.pictures import write_pictures
from avadclip.report.strips import write_strips
from avadclip.report.timeline_file import write_timeline

ASSETS = "assets"
SAME_SECONDS = 0.5  # headers of one file, read by two versions of FFmpeg, differ by less
LOOK_SECONDS = 60.0  # between the frames that are converted of a video whose length is measured
COPY_NAME = "video.mp4"
DOWNLOADS = {"JSON": "detection.json", "CSV": "events.csv", "WebVTT": "events.vtt", "PNG": "scores.png"}


Export = Callable[[Detection, str | None, Path], None]
EXPORTS: dict[Extra, tuple[str, str, Export]] = {
    Extra.ELAN: ("ELAN", "events.eaf", write_elan),
    Extra.LABEL_STUDIO: ("Label Studio", "label-studio.json", write_label_studio),
    Extra.TIMELINE: ("OpenTimelineIO", "events.otio", write_timeline),
}
"""Link text, file name and writer of each extra."""
ANNOTATED_NAME = "annotated.mp4"


def write_page(
    detection: Detection,
    folder: Path,
    *,
    video: Path | None,
    also: Collection[Extra] = (),
    on_progress: Progress | None = None,
) -> Path:
    """Write the files of `write_report`, pictures, and index.html; scripts go to a sibling folder.

    The page refers to the video at its own path; one that browsers cannot play gets a copy in the folder. In an
    existing folder, files of these names are replaced and nothing else is changed.

    Args:
        detection: result of one video.
        folder: created with its parents if missing; its parent may contain the folders of many videos.
        video: the video file; None: no event pictures, and the viewer has to choose the file.
        also: additional files.
        on_progress: called while a copy is written.

    Returns:
        The page.

    Raises:
        MediaError: the video cannot be read, or is not the one of the detection.
        ConfigError: a library that an extra needs is not installed.
    """
    media_file = None if video is None else MediaFile.open(video)
    if media_file is not None:
        _check_same(detection, media_file.info)
        media_file = _with_track(media_file, detection.media.sound)
    elif Extra.ANNOTATED_VIDEO in also:
        raise MediaError(f"{detection.source} not found, but the annotated video needs it; give its path with --video")
    write_assets(folder.parent / ASSETS)
    with staged(folder) as stage:
        if media_file is not None:
            detection = write_pictures(detection, media_file, stage / "pictures")
        media = _prepare_media(media_file, stage, folder, on_progress)
        if media_file is not None:
            film, waveform = write_strips(media_file, detection.media.duration_seconds, stage / "pictures")
            media = replace(media, film=film, waveform=waveform)
        media_url = None if video is None else address(video, folder)
        downloads = DOWNLOADS | _write_exports(detection, media_url, stage, also)
        if media_file is not None and Extra.ANNOTATED_VIDEO in also:
            write_annotated(detection, media_file, stage / ANNOTATED_NAME, on_progress=on_progress)
            downloads["annotated video"] = ANNOTATED_NAME
        write_files(detection, stage)
        places = PagePlaces(assets=f"../{ASSETS}/", index="../index.html", downloads=downloads)
        document = to_document(detection, include_scores=True)
        write_atomically(stage / "index.html", render_page(document, media, places))
    return folder / "index.html"


def write_index(root: Path) -> Path:
    """Write root/index.html with all pages in the folders of `root`, including those of earlier runs.

    Raises:
        DataError: a folder contains a page, but its result cannot be read.
    """
    entries = []
    for folder in sorted(path for path in root.iterdir() if not path.name.startswith(".")):
        result = folder / "detection.json"
        if result.is_file() and (folder / "index.html").is_file():
            entries.append(IndexEntry(_read_document(result), f"{_quoted(folder.name)}/index.html"))
    write_assets(root / ASSETS)
    write_atomically(root / "index.html", render_index(entries, assets_url=f"{ASSETS}/"))
    return root / "index.html"


def _read_document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}); remove its folder, or write its report again") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DataError(
            f"{path} is not a result of this version of avadclip; remove its folder, or write its report again"
        )
    return document


def address(path: Path, folder: Path) -> str:
    """URL of a file, relative to a page in `folder`."""
    try:
        relative = Path(os.path.relpath(path.resolve(), folder.resolve()))
    except ValueError:  # another drive on Windows
        return path.resolve().as_uri()
    return _quoted(relative.as_posix())


def _quoted(text: str) -> str:
    return quote(os.fsencode(text))  # file names need not be valid text


def _check_same(detection: Detection, found: MediaInfo) -> None:
    wanted = detection.media
    sizes_differ = (found.width, found.height) != (wanted.width, wanted.height)
    if sizes_differ or not _lasts(found, wanted.duration_seconds):
        raise MediaError(
            f"{found.path} has {found.duration_seconds:.1f} s of {found.width}x{found.height}, but the result is of "
            f"{wanted.duration_seconds:.1f} s of {wanted.width}x{wanted.height}; name the video that was scored"
        )


def _lasts(found: MediaInfo, seconds: float) -> bool:
    """Whether a video has this length, by its header or, where that states another, by its pictures."""
    if abs(found.duration_seconds - seconds) <= SAME_SECONDS:
        return True
    reader = VideoReader(found.path, frame_size=(16, 16))
    for _ in reader.frames_at(count(step=LOOK_SECONDS)):
        pass
    return abs(reader.report.duration_seconds - seconds) <= SAME_SECONDS


def _with_track(media: MediaFile, scored: SoundInfo | None) -> MediaFile:
    """The file with the audio track that was scored, which may have been asked for."""
    if scored is None or scored.track is None or media.info.sound == scored:
        return media
    return MediaFile.open(media.path, audio_track=scored.track)


def _prepare_media(media: MediaFile | None, stage: Path, folder: Path, on_progress: Progress | None) -> PageMedia:
    if media is None:
        return PageMedia(None)
    reason = why_unplayable(media)
    if reason is None:
        return PageMedia(address(media.info.path, folder), offset_seconds=max(media.zero_seconds, 0.0))
    write_copy(media, stage / COPY_NAME, on_progress=on_progress)
    note = f"You see an H.264 copy: not every browser plays the file itself ({reason}). The scores are the file's."
    return PageMedia(COPY_NAME, note=note)


def _write_exports(detection: Detection, media_url: str | None, stage: Path, also: Collection[Extra]) -> dict[str, str]:
    """Write the exports; return the file names by link text."""
    written = {}
    for extra, (label, name, write) in EXPORTS.items():
        if extra in also:
            write(detection, media_url, stage / name)
            written[label] = name
    return written
