"""Extraction of many videos into a folder; finished files are kept, failures are reported without stopping."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avadclip.encoders.base import Encoders
from avadclip.errors import AvadclipError, DataError, FeatureError
from avadclip.features.extract import extract_features, provenance_of
from avadclip.features.snippets import Provenance
from avadclip.features.store import read_header, write_features
from avadclip.media.container import open_media
from avadclip.timeline import SnippetGrid


@dataclass(frozen=True)
class ExtractionOutcome:
    """Outcome of one video."""

    path: Path
    feature_file: Path
    status: Literal["done", "kept", "failed"]
    """`kept`: an up-to-date file of the same content and encoders existed."""
    message: str = ""
    """Why it failed, one line."""


def extract_to_folder(
    paths: list[Path],
    folder: Path,
    encoders: Encoders,
    *,
    grid: SnippetGrid | None = None,
    on_progress: Callable[[Path, float], None] | None = None,
) -> Iterator[ExtractionOutcome]:
    """Write `folder/NAME.safetensors` for every video, in order.

    Args:
        paths: videos; no two of the same NAME (file name without suffix).
        folder: created if missing.
        encoders: see encoders.load.
        grid: snippet grid; 16 frames at 24 fps by default.
        on_progress: called with the current video and its processed seconds.

    Raises:
        DataError: two videos would share a feature file; raised before anything is read.
    """
    grid = grid or SnippetGrid()
    targets = _target_files(paths, folder)
    needed = provenance_of(encoders, grid)
    for path, target in targets.items():
        report = None if on_progress is None else lambda seconds, path=path: on_progress(path, seconds)
        try:
            with open_media(path):  # reports errors before its content is hashed
                pass
            source_sha256 = content_sha256(path)
            if is_current(target, needed, source_sha256):
                yield ExtractionOutcome(path, target, "kept")
                continue
            features = extract_features(path, encoders, grid=grid, on_progress=report)
            write_features(target, dataclasses.replace(features, source_sha256=source_sha256))
        except (AvadclipError, OSError) as error:
            yield ExtractionOutcome(path, target, "failed", str(error))
        else:
            yield ExtractionOutcome(path, target, "done")


def _target_files(paths: list[Path], folder: Path) -> dict[Path, Path]:
    owners: dict[Path, Path] = {}
    for path in paths:
        target = folder / f"{path.stem}.safetensors"
        if target in owners:
            raise DataError(f"{owners[target]} and {path} would share {target}; extract them into different folders")
        owners[target] = path
    return {path: target for target, path in owners.items()}


def is_current(target: Path, needed: Provenance, source_sha256: str) -> bool:
    """Whether an existing feature file equals what extraction would write; False for a damaged one."""
    if not target.is_file():
        return False
    try:
        header = read_header(target)
    except FeatureError:
        return False
    return header.source_sha256 == source_sha256 and header.provenance == needed


def content_sha256(path: Path) -> str:
    """Hash of a video's content, as stored in feature files."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
