"""Manifest of an archive run: one row per video in an SQLite file, so that the next run skips finished videos.

Rows are read and written in the file, never held in memory. In a folder, the file is the one in the folder. At a URL,
which cannot be appended to, it is a copy on this machine that is uploaded whole. A row is saved at once while that is
cheap; saving takes at most a tenth of the time. A result written after the last save is not lost: it states its own
provenance, and the next run recognises it by its content.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from avadclip.apps.archive.old_manifest import OLD_MANIFEST, read_old_manifest
from avadclip.apps.archive.scratch import scratch_folder
from avadclip.apps.archive.storage import Storage
from avadclip.errors import DataError

MANIFEST = "manifest.sqlite"
MAX_WRITING_SHARE = 0.1  # of the time

_TABLE = """
CREATE TABLE IF NOT EXISTS videos (
    source TEXT PRIMARY KEY, status TEXT NOT NULL, error TEXT, seconds REAL, attempts INTEGER, source_bytes INTEGER,
    source_version TEXT, source_sha256 TEXT, output TEXT, output_bytes INTEGER, made_by TEXT, finished_at TEXT
) WITHOUT ROWID
"""
_PUT = "INSERT OR REPLACE INTO videos VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class ManifestRow:
    """State of one video; the fields are the columns of the table."""

    source: str
    """Absolute path or URL."""
    status: Literal["pending", "done", "failed"]
    error: str | None = None
    """Why it failed, one line."""
    seconds: float = 0.0
    """Seconds of work on it, by all workers and attempts together."""
    attempts: int = 0
    """Number of attempts in the run that finished it."""
    source_bytes: int | None = None
    source_version: str | None = None
    """ETag or modification time when it was found."""
    source_sha256: str | None = None
    """Hash of its content; None if it was never read to the end."""
    output: str | None = None
    """Path or URL of the feature file or report folder."""
    output_bytes: int | None = None
    """Size of all the result's files."""
    made_by: str | None = None
    """Hash of everything else that determines the result: encoders, model, options."""
    finished_at: str | None = None
    """UTC, as in 2026-12-01T10:00:00+00:00."""


class Manifest:
    """Rows by source; see open_manifest."""

    def __init__(self, storage: Storage, local: Path) -> None:
        self._storage = storage
        self._local = local
        self._database: sqlite3.Connection | None = None
        self._changed = False
        self._next_write = 0.0
        if local.exists():
            self._database = self._connect()

    def get(self, source: str) -> ManifestRow | None:
        """The row of a video, if any."""
        if self._database is None:
            return None
        with self._readable():
            found = self._database.execute("SELECT * FROM videos WHERE source = ?", (source,)).fetchone()
        return None if found is None else ManifestRow(*found)

    def put(self, row: ManifestRow) -> None:
        """Set a row, and save the file if it is due."""
        if self._database is None:  # only now: a run that fails before its first row leaves no file behind
            self._local.parent.mkdir(parents=True, exist_ok=True)
            self._database = self._connect()
        with self._readable():
            self._database.execute(_PUT, astuple(row))
        self._changed = True
        if time.monotonic() >= self._next_write:
            self.save()

    def save(self) -> None:
        """Save the file if there are changes."""
        if not self._changed or self._database is None:
            return
        started = time.monotonic()
        with self._readable():
            self._database.commit()
        if not self._storage.is_local:
            self._storage.publish(self._local, MANIFEST)
        self._changed = False
        now = time.monotonic()
        self._next_write = now + (now - started) * (1 / MAX_WRITING_SHARE - 1)

    def close(self) -> None:
        """Save the file and close it."""
        self.save()
        if self._database is not None:
            self._database.close()

    def _connect(self) -> sqlite3.Connection:
        with self._readable():
            database = sqlite3.connect(self._local)
            database.execute(_TABLE)
            (columns,) = database.execute("SELECT count(*) FROM pragma_table_info('videos')").fetchone()
            if columns != _PUT.count("?"):
                raise sqlite3.DatabaseError(f"a table of {columns} columns")
        return database

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Convert SQLite's errors to DataError."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise DataError(
                f"{self._storage.address_of(MANIFEST)} cannot be used ({error}); check that no other run uses the "
                "folder, its permissions, and the free space"
            ) from error
        except sqlite3.Error as error:
            raise DataError(
                f"{self._storage.address_of(MANIFEST)} cannot be read as a manifest ({error}); remove it: "
                "existing results are then recognised by their content"
            ) from error


@contextmanager
def open_manifest(storage: Storage, on_note: Callable[[str], None]) -> Iterator[Manifest]:
    """Open the manifest of a results' folder; leaving the block saves it.

    Args:
        storage: the folder.
        on_note: called with one line if a manifest in the format of 0.1.0 was converted.

    Raises:
        DataError: an existing manifest cannot be read or written.
    """
    with scratch_folder() as scratch:
        if storage.size(OLD_MANIFEST):
            if not storage.size(MANIFEST):  # otherwise a conversion was interrupted before its last step
                on_note(_convert(storage, scratch))
            storage.remove(OLD_MANIFEST)
        local = storage.local_path(MANIFEST) or scratch / MANIFEST
        if not storage.is_local:
            storage.fetch(MANIFEST, scratch)
        manifest = Manifest(storage, local)
        try:
            yield manifest
        finally:
            manifest.close()


def _convert(storage: Storage, scratch: Path) -> str:
    """Write the rows of an old manifest to a new one; return what was done, in one line."""
    new = scratch / f"converted-{MANIFEST}"
    columns = [field.name for field in fields(ManifestRow)]
    database = sqlite3.connect(new)
    database.execute(_TABLE)
    database.executemany(_PUT, read_old_manifest(storage, scratch, columns))
    database.commit()
    (num_rows,) = database.execute("SELECT count(*) FROM videos").fetchone()
    database.close()
    storage.publish(new, MANIFEST)
    return f"{storage.address_of(OLD_MANIFEST)} was converted to {MANIFEST} ({num_rows} videos)"


def now() -> str:
    """The current time in the rows' format."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()
