"""The videos of an archive, with their locations and result paths."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from avadclip.apps.archive.storage import is_local, open_file_system
from avadclip.errors import DataError
from avadclip.media.suffixes import VIDEO_SUFFIXES

VERSION_KEYS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "updated", "created")


@dataclass(frozen=True)
class VideoSource:
    """One video."""

    name: str
    """Name in results and messages: as given by the user, or below the given folder."""
    address: str
    """Absolute path or URL, the key in the manifest."""
    place: str
    """Path of its result without suffix: its path below the given folder."""
    num_bytes: int | None
    """Size in bytes; None if unknown without reading."""
    version: str | None
    """Version of the content by the file system: its ETag or modification time."""


def local_source(path: Path, root: Path | None) -> VideoSource:
    """Describe a local or mounted video; a missing file fails later, in its worker.

    Args:
        path: path as given.
        root: the given folder it was found in; None if the file itself was given.
    """
    below = path.relative_to(root) if root is not None else Path(path.name)
    try:
        status = path.stat()
    except OSError:
        num_bytes, version = None, None
    else:
        num_bytes, version = status.st_size, str(status.st_mtime_ns)
    return VideoSource(str(path), str(path.absolute()), below.with_suffix("").as_posix(), num_bytes, version)


def find_remote(url: str) -> list[VideoSource]:
    """Find the videos at a URL: a file, all below a folder, or all that match a pattern; sorted, without hidden ones.

    Raises:
        DataError: it contains no video, or cannot be listed.
        ConfigError: unsupported kind of URL.
    """
    files, path = open_file_system(url)
    path = path.rstrip("/")
    files.invalidate_cache()
    try:
        found = files.glob(path, detail=True) if "*" in path else files.find(path, detail=True)
    except Exception as error:  # whatever the library behind the URL raises
        raise DataError(f"{url} cannot be listed ({_reason(error)}); check the address and the credentials") from error
    root = PurePosixPath(path.partition("*")[0].rpartition("/")[0] if "*" in path or path in found else path)
    wanted = VIDEO_SUFFIXES | {PurePosixPath(path).suffix.lower()} - {""}
    sources = []
    for name, info in sorted(found.items()):
        below = PurePosixPath(name).relative_to(root)
        is_hidden = any(part.startswith(".") for part in below.parts)
        if info["type"] == "file" and below.suffix.lower() in wanted and not is_hidden:
            address = str(files.unstrip_protocol(name))
            place = below.with_suffix("").as_posix()
            sources.append(VideoSource(address, address, place, info.get("size"), _version(info)))
    if not sources:
        raise DataError(f"{url} contains no video; give a video, a folder with videos, or a pattern")
    return sources


@contextmanager
def local_copy(source: VideoSource, folder: Path) -> Iterator[Path]:
    """Yield a local path of the video: its own, or that of a copy inside `folder`, which is removed afterwards.

    Raises:
        OSError: it cannot be fetched.
    """
    files, path = open_file_system(source.address)
    if is_local(files):
        yield Path(source.address)
        return
    with TemporaryDirectory(dir=folder) as name:
        copy = Path(name) / PurePosixPath(path).name
        try:
            files.get_file(path, str(copy))
        except Exception as error:  # whatever the library behind the URL raises
            raise OSError(f"{source.address} cannot be fetched ({_reason(error)})") from error
        yield copy


def _version(info: dict[str, Any]) -> str | None:
    return next((str(info[key]) for key in VERSION_KEYS if info.get(key)), None)


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
