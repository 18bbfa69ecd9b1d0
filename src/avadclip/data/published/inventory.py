"""Inventory of files by video, found by name anywhere below a folder, since downloads have different layouts.

NAME__CROP.npy       picture, published features
NAME.npy             sound, published features
NAME.safetensors     both, from `avadclip extract`
NAME.mp4 and others  the video itself
"""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from avadclip.data.published.definition import parse_name
from avadclip.errors import DataError
from avadclip.media.suffixes import VIDEO_SUFFIXES

EXTRACTED_SUFFIX, PUBLISHED_SUFFIX = ".safetensors", ".npy"


@dataclass
class VideoFiles:
    """The files of one video."""

    crops: dict[int, Path] = field(default_factory=dict)
    audio: Path | None = None
    extracted: Path | None = None
    video: Path | None = None
    doubles: list[Path] = field(default_factory=list)
    """Duplicate files, of which the right one is unknown."""

    @property
    def has_features(self) -> bool:
        """Whether there are visual features."""
        return bool(self.crops) or self.extracted is not None


@dataclass(frozen=True)
class Inventory:
    """Files by video; files of other names are `extra`."""

    of_video: dict[str, VideoFiles]
    extra: tuple[Path, ...]


def find_documents(folders: Sequence[Path], names: Collection[str]) -> dict[str, Path]:
    """Find lists and annotations by file name, at any depth; DataError for duplicates with different content."""
    found: dict[str, Path] = {}
    for path in files_below(folders):
        if path.name not in names:
            continue
        first = found.setdefault(path.name, path)
        if first != path and first.read_bytes() != path.read_bytes():
            raise DataError(f"{first} and {path} differ; keep the one that belongs to these features")
    return found


def take_inventory(folders: Sequence[Path], videos: Collection[str]) -> Inventory:
    """Sort all feature and video files below the folders by the videos of a benchmark."""
    of_video: dict[str, VideoFiles] = {}
    extra = []
    for path in files_below(folders):
        suffix = path.suffix.lower()
        if suffix not in {EXTRACTED_SUFFIX, PUBLISHED_SUFFIX} and suffix not in VIDEO_SUFFIXES:
            continue
        name, crop = parse_name(path.name) if suffix == PUBLISHED_SUFFIX else (path.name[: -len(suffix)], None)
        if name not in videos:
            extra.append(path)
        else:
            _file_away(of_video.setdefault(name, VideoFiles()), path, suffix, crop)
    return Inventory(of_video, tuple(extra))


def _file_away(files: VideoFiles, path: Path, suffix: str, crop: int | None) -> None:
    if crop is not None:
        if files.crops.setdefault(crop, path) != path:
            files.doubles.append(path)
        return
    place = {EXTRACTED_SUFFIX: "extracted", PUBLISHED_SUFFIX: "audio"}.get(suffix, "video")
    if getattr(files, place) is None:
        setattr(files, place, path)
    elif place != "video":
        files.doubles.append(path)


def files_below(folders: Sequence[Path]) -> Iterator[Path]:
    """All files that are not hidden, links to folders followed, no folder twice."""
    seen: set[Path] = set()

    def fail(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}); name a readable folder") from error

    for folder in folders:
        for parent, below, files in os.walk(folder, onerror=fail, followlinks=True):
            real = Path(parent).resolve()
            if real in seen:
                below.clear()
                continue
            seen.add(real)
            below[:] = sorted(name for name in below if not name.startswith("."))
            yield from (Path(parent) / name for name in sorted(files) if not name.startswith("."))
