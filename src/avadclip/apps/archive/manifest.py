"""Manifest of an archive run: one Parquet row per video, so that the next run skips finished videos.

The file is rewritten after every video while that is cheap; with very many videos, writing takes at most a tenth of
the time. A result written after the last manifest is not lost: it states its own provenance, and the next run
recognises it by its content.
"""

import io
import time
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow
from pyarrow import parquet

from avadclip.apps.archive.storage import Storage
from avadclip.errors import DataError

MANIFEST = "manifest.parquet"
MAX_WRITING_SHARE = 0.1  # of the time


@dataclass(frozen=True)
class ManifestRow:
    """State of one video."""

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
    finished_at: datetime | None = None
    """UTC."""


class Manifest:
    """Rows by source, stored in a file.

    Raises:
        DataError: an existing manifest cannot be read.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._rows = self._read()
        self._changed = False
        self._next_write = 0.0
        self._has_written = False

    def get(self, source: str) -> ManifestRow | None:
        """The row of a video, if any."""
        return self._rows.get(source)

    def put(self, row: ManifestRow) -> None:
        """Set a row, and save the file if it is due."""
        self._rows[row.source] = row
        self._changed = True
        if time.monotonic() >= self._next_write:
            self.save()

    def save(self) -> None:
        """Save the file if there are changes."""
        if not self._changed:
            return
        started = time.monotonic()
        file = io.BytesIO()
        parquet.write_table(self._table(), file)
        self._storage.write(MANIFEST, file.getvalue())
        self._changed = False
        now = time.monotonic()
        if self._has_written:  # the first time includes loading pyarrow's writer
            self._next_write = now + (now - started) * (1 / MAX_WRITING_SHARE - 1)
        self._has_written = True

    def _table(self) -> Any:
        types = {
            "seconds": pyarrow.float64(),
            "attempts": pyarrow.int32(),
            "source_bytes": pyarrow.int64(),
            "output_bytes": pyarrow.int64(),
            "finished_at": pyarrow.timestamp("ms", tz="UTC"),
        }
        columns_of_row = fields(ManifestRow)
        schema = pyarrow.schema([(field.name, types.get(field.name, pyarrow.string())) for field in columns_of_row])
        columns = {name: [getattr(row, name) for row in self._rows.values()] for name in schema.names}
        return pyarrow.table(columns, schema=schema)

    def _read(self) -> dict[str, ManifestRow]:
        content = self._storage.read(MANIFEST)
        if content is None:
            return {}
        try:
            rows = parquet.read_table(io.BytesIO(content)).to_pylist()
            return {row["source"]: ManifestRow(**row) for row in rows}
        except Exception as error:  # pyarrow raises many types, and a foreign table has other columns
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(
                f"{self._storage.address_of(MANIFEST)} cannot be read as a manifest ({reason}); remove it: "
                "existing results are then recognised by their content"
            ) from error


def now() -> datetime:
    """The current time in the rows' format."""
    return datetime.now(UTC).replace(microsecond=0)
