"""The folder of downloaded weights, and the record of files whose hash nobody published.

Such a file's hash is recorded when it is first downloaded, and every later download is compared with it.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from platformdirs import site_cache_path, user_cache_path
from pydantic import BaseModel, TypeAdapter, ValidationError

from avadclip.errors import WeightsError
from avadclip.files import write_atomically

RECORDS_FILE = "downloads.json"
SYSTEM_FOLDER = site_cache_path("avadclip")  # /var/cache/avadclip: only read; an image or an administrator fills it


class DownloadRecord(BaseModel, frozen=True, extra="forbid"):
    """A downloaded file, as it was the first time."""

    sha256: str
    url: str
    bytes: int


_RECORDS = TypeAdapter(dict[str, DownloadRecord])


def cache_folder() -> Path:
    """The user's cache folder: downloaded weights, and conversions of files in read-only folders."""
    return user_cache_path("avadclip")


def in_caches(*names: str) -> Path | None:
    """The first of these files in the user's cache, or else in the system's; None if there is none."""
    paths = (folder / name for folder in (cache_folder(), SYSTEM_FOLDER) for name in names)
    return next((path for path in paths if path.is_file()), None)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path: Path, needed: str) -> None:
    """Raise WeightsError unless the file has this SHA-256."""
    found = file_sha256(path)
    if found != needed:
        raise WeightsError(f"{path.name.removesuffix('.partial')} has SHA-256 {found}, needed {needed}")


def check_record(path: Path, name: str, url: str) -> None:
    """Compare a file with its record, or record it where it is the first of its name.

    Args:
        path: the file.
        name: its key in the records.
        url: where it came from.

    Raises:
        WeightsError: it differs from the file that was downloaded first, or the records cannot be read.
    """
    records = read_records()
    found = DownloadRecord(sha256=file_sha256(path), url=url, bytes=path.stat().st_size)
    if name not in records:
        _write_records({**records, name: found})
    elif records[name].sha256 != found.sha256:
        raise WeightsError(
            f"{name} has SHA-256 {found.sha256}, needed {records[name].sha256} as in the first download; if its"
            f" publisher announced a new file, remove its entry from {_records_path()}"
        )


def read_records() -> dict[str, DownloadRecord]:
    """All records, by name."""
    try:
        return _RECORDS.validate_json(_records_path().read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise WeightsError(f"{_records_path()} is damaged; remove it") from error


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Let one process at a time download this; a second one waits."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with FileLock(cache_folder() / f".{name}.lock"):
        yield


def _records_path() -> Path:
    return cache_folder() / RECORDS_FILE


def _write_records(records: dict[str, DownloadRecord]) -> None:
    shown = {name: record.model_dump() for name, record in sorted(records.items())}
    write_atomically(_records_path(), json.dumps(shown, indent=2) + "\n")
