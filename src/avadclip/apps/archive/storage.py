"""Storage of results: a local or mounted folder, or a URL such as s3://bucket/results."""

import shutil
from pathlib import Path
from typing import Any

import fsspec

from avadclip.errors import ConfigError
from avadclip.files import atomic_path

LOCAL_SCHEMES = ("file", "local")
COPIED_BYTES = 1 << 20  # at a time


class Storage:
    """Files by their names below one folder; writes are atomic.

    Args:
        address: a folder or its URL; created at the first write.

    Raises:
        ConfigError: unsupported kind of URL.
    """

    def __init__(self, address: str) -> None:
        self._files, root = open_file_system(address)
        self._root = root.rstrip("/")
        self.is_local = is_local(self._files)
        """Whether it is a folder of this machine, mounts included."""

    def address_of(self, name: str) -> str:
        """Full path or URL of a file."""
        return self._path(name) if self.is_local else str(self._files.unstrip_protocol(self._path(name)))

    def local_path(self, name: str) -> Path | None:
        """Path of a file in a folder of this machine; None at a URL."""
        return Path(self._path(name)) if self.is_local else None

    def sizes(self) -> dict[str, int]:
        """Names and sizes in bytes of all files."""
        self._files.invalidate_cache()
        found = self._files.find(self._root, detail=True)
        return {str(path).removeprefix(f"{self._root}/"): int(info["size"]) for path, info in found.items()}

    def size(self, name: str) -> int:
        """Size of a file in bytes; 0 if it does not exist."""
        self._files.invalidate_cache()
        try:
            return int(self._files.info(self._path(name))["size"])
        except FileNotFoundError:
            return 0

    def read(self, name: str) -> bytes | None:
        """A small file's content; None if it does not exist."""
        try:
            content: bytes = self._files.cat_file(self._path(name))
        except FileNotFoundError:
            return None
        return content

    def publish(self, file: Path, name: str) -> None:
        """Copy a finished local file into the storage, whole or not at all."""
        if self.is_local:
            with atomic_path(Path(self._path(name))) as temporary:
                shutil.copyfile(file, temporary)
            return
        # Object stores show an object only once it is complete; other file systems get a temporary name and a rename.
        with self._files.transaction, self._files.open(self._path(name), "wb") as target, file.open("rb") as content:
            shutil.copyfileobj(content, target, COPIED_BYTES)

    def fetch(self, name: str, folder: Path) -> Path | None:
        """Copy a file into a local folder; None if it does not exist."""
        target = folder / Path(name).name
        try:
            with self._files.open(self._path(name), "rb") as content, target.open("wb") as copy:
                shutil.copyfileobj(content, copy, COPIED_BYTES)
        except FileNotFoundError:
            return None
        return target

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""
        if self._files.exists(self._path(name)):
            self._files.rm_file(self._path(name))

    def remove_empty(self, name: str) -> None:
        """Remove an empty folder; object stores have no folders."""
        folder = Path(self._path(name))
        if self.is_local and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def open_file_system(address: str) -> tuple[Any, str]:
    """The file system of an absolute path or URL, and the path in it; ConfigError for unsupported URLs."""
    if Path(address).is_absolute():  # an absolute path is never a URL, whatever it contains
        return fsspec.filesystem("file"), address
    try:
        files, path = fsspec.core.url_to_fs(address)
    except (ValueError, ImportError) as error:
        reason = (str(error).splitlines() or ["unknown"])[0]
        raise ConfigError(
            f"{address} cannot be used ({reason}); give a folder, or a URL that fsspec supports, such as s3://"
        ) from error
    return files, str(path)


def is_local(files: Any) -> bool:
    """Whether a file system is the machine's own, mounts included."""
    return any(scheme in LOCAL_SCHEMES for scheme in (files.protocol, *files.protocol) if isinstance(scheme, str))
