"""Extraction of many videos into a folder; finished files are kept, failures are reported without stopping."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from avadclip.encoders.base import Encoders
from avadclip.errors import AvadclipError, DataError, FeatureError
from avadclip.features.extract import extract_features, provenance_of
from avadclip.features.snippets import Provenance
from avadclip.features.store import read_header, write_features
from avadclip.media.probe import MediaFile
from avadclip.timeline import SnippetGrid

BatchProgress = Callable[[Path, float, float], None]
"""Called with the video that is processed, the seconds of it that are done, and its length in seconds."""


@dataclass(frozen=True)
class ExtractionOutcome:
    """Outcome of one video."""

    path: Path
    feature_file: Path
    status: Literal["done", "kept", "failed"]
    """`kept`: an up-to-date file of the same content and encoders existed."""
    message: str = ""
    """Why it failed, one line; of a video with still footage skipped, the share of frames that were encoded."""


def extract_to_folder(
    paths: list[Path],
    folder: Path,
    encoders: Encoders,
    *,
    grid: SnippetGrid | None = None,
    audio_track: int | None = None,
    on_progress: BatchProgress | None = None,
) -> Iterator[ExtractionOutcome]:
    """Write `folder/NAME.safetensors` for every video, in order.

    Args:
        paths: videos; no two of the same NAME (file name without suffix).
        folder: created if missing.
        encoders: see encoders.load.
        grid: how to cut snippets; 16 frames at 24 fps by default.
        audio_track: as MediaFile.open takes it.
        on_progress: see BatchProgress.

    Raises:
        DataError: two videos would share a feature file; raised before anything is read.
    """
    grid = grid or SnippetGrid()
    targets = _target_files(paths, folder)
    needed = provenance_of(encoders, grid)
    for path, target in targets.items():
        try:
            media = MediaFile.open(
                path, audio_track=audio_track
            )  # names what is wrong with it before its content is hashed
            source_sha256 = content_sha256(path)
            if is_current(target, needed, source_sha256, audio_track):
                yield ExtractionOutcome(path, target, "kept")
                continue
            report = None if on_progress is None else partial(_report, on_progress, path, media)
            features = extract_features(media, encoders, grid=grid, on_progress=report)
            write_features(target, dataclasses.replace(features, source_sha256=source_sha256))
        except (AvadclipError, OSError) as error:
            yield ExtractionOutcome(path, target, "failed", str(error))
        else:
            yield ExtractionOutcome(path, target, "done", features.notes[-1] if encoders.skip_still else "")


def _report(on_progress: BatchProgress, path: Path, media: MediaFile, seconds: float) -> None:
    on_progress(path, seconds, media.info.duration_seconds)


def _target_files(paths: list[Path], folder: Path) -> dict[Path, Path]:
    owners: dict[Path, Path] = {}
    for path in paths:
        target = folder / f"{path.stem}.safetensors"
        if target in owners:
            raise DataError(f"{owners[target]} and {path} would share {target}; extract them into different folders")
        owners[target] = path
    return {path: target for target, path in owners.items()}


def is_current(target: Path, needed: Provenance, source_sha256: str, audio_track: int | None) -> bool:
    """Whether an existing feature file equals what extraction would write; False for a damaged one."""
    if not target.is_file():
        return False
    try:
        header = read_header(target)
    except FeatureError:
        return False
    same_input = (header.source_sha256, header.audio_track) == (source_sha256, audio_track)
    return same_input and header.provenance == needed


def content_sha256(path: Path) -> str:
    """Hash of a video's content, as stored in feature files."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
