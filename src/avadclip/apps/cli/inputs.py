"""Expansion of command line arguments to video files."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from avadclip.media.suffixes import VIDEO_SUFFIXES


class Inputs(NamedTuple):
    """The videos to process, and the problems of names without videos."""

    videos: list[Path]
    problems: list[str]

    @property
    def num_named(self) -> int:
        """Number of videos and problems together."""
        return len(self.videos) + len(self.problems)


def expand_inputs(names: Iterable[str]) -> Inputs:
    """Expand files, folders (recursively) and glob patterns to videos.

    The order is that of the names, sorted inside a folder or pattern. A video found twice is listed once. Hidden files
    and folders are included only if named directly.
    """
    videos: dict[str, Path] = {}
    problems: list[str] = []
    for name in names:
        try:
            found = list(_expand(name))
        except OSError as error:
            problems.append(str(error))
            continue
        if not found:
            kind = "folder" if Path(name).is_dir() else "pattern"
            problems.append(f"the {kind} {name} contains no video; give a video file, or a folder with videos")
        for path in found:
            videos.setdefault(os.path.realpath(path), path)  # Path.resolve raises at a link to itself
    return Inputs(list(videos.values()), problems)


def _expand(name: str) -> Iterator[Path]:
    path = Path(name)
    if path.is_dir():
        yield from _videos_below(path)
    elif path.exists() or not glob.has_magic(name):
        yield path  # a missing file too: opening it raises the error
    else:
        # `*.dat` means .dat files; `*` means videos.
        wanted = VIDEO_SUFFIXES | {path.suffix.lower()} - {""}
        for match in sorted(map(Path, glob.glob(name, recursive=True))):  # noqa: PTH207  Path.glob: no absolute ones
            if match.is_dir():
                yield from _videos_below(match)
            elif match.suffix.lower() in wanted:
                yield match


def _videos_below(folder: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise error

    for parent, folders, files in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in VIDEO_SUFFIXES:
                yield Path(parent) / name
