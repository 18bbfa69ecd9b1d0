"""Expansion of command line arguments to video files; those behind URLs are downloaded."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from avadclip.apps.cli.terminal.progress import show_download
from avadclip.errors import AvadclipError, DataError
from avadclip.media.suffixes import VIDEO_SUFFIXES


class Inputs(NamedTuple):
    """The videos to process, and the problems of names without videos."""

    videos: list[Path]
    problems: list[str]
    addresses: dict[Path, str]
    """URLs of downloaded videos, without passwords, by their temporary files."""

    def name_of(self, path: Path) -> str:
        """The name of a video for people and results: its path as given, or its URL."""
        return self.addresses.get(path, str(path))

    def describe(self, path: Path, problem: Exception | str) -> str:
        """A problem of a video, with the name that the user knows."""
        return str(problem).replace(str(path), self.name_of(path))

    @property
    def num_named(self) -> int:
        """Number of videos and problems together."""
        return len(self.videos) + len(self.problems)


@contextmanager
def local_inputs(names: Sequence[str]) -> Iterator[Inputs]:
    """As expand_inputs, and download videos that are named by http(s) URLs; they are removed after the block."""
    from avadclip.apps.fetch.named_video import is_web_address

    if any(map(is_web_address, names)):
        with TemporaryDirectory(prefix="avadclip-") as folder:
            yield expand_inputs(names, Path(folder))
    else:
        yield expand_inputs(names)


def expand_inputs(names: Iterable[str], downloads: Path | None = None) -> Inputs:
    """Expand files, folders (recursively) and glob patterns to videos.

    The order is that of the names, sorted inside a folder or pattern. A video found twice is listed once. Hidden files
    and folders are included only if named directly.

    Args:
        names: as given by the user.
        downloads: folder for videos behind URLs; without it URLs are names of files.
    """
    from avadclip.apps.fetch.named_video import is_web_address

    videos: dict[str, Path] = {}
    problems: list[str] = []
    addresses: dict[Path, str] = {}
    for name in dict.fromkeys(names):
        try:
            if downloads is not None and is_web_address(name):
                found = [_download(name, downloads / str(len(addresses)), addresses)]
            else:
                found = list(_expand(name))
        except AvadclipError as error:
            problems.append(str(error))
            continue
        except OSError as error:
            problems.append(str(error))
            continue
        if not found:
            kind = "folder" if Path(name).is_dir() else "pattern"
            problems.append(f"the {kind} {name} contains no video; give a video file, or a folder with videos")
        for path in found:
            videos.setdefault(os.path.realpath(path), path)  # Path.resolve raises at a link to itself
    return Inputs(list(videos.values()), problems, addresses)


def _download(url: str, folder: Path, addresses: dict[Path, str]) -> Path:
    """Download a video and enter its address; AvadclipError that names the URL without its password."""
    from avadclip.apps.fetch.named_video import fetch_named_video
    from avadclip.media.stream import without_password

    shown = without_password(url)
    try:
        with show_download(shown, None) as advance:
            path = fetch_named_video(url, folder, advance)
    except AvadclipError as error:
        raise AvadclipError(f"{shown}: {error}") from error
    addresses[path] = shown
    return path


def _expand(name: str) -> Iterator[Path]:
    path = Path(name)
    if path.is_dir():
        yield from _videos_below(path)
    elif "://" in name and not path.exists():
        from avadclip.media.stream import without_password

        raise DataError(
            f"{without_password(name)}: only http and https URLs are downloaded; give one of those or a file "
            "(`avadclip watch` takes rtsp)"
        )
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
