"""The manifest of an archive run: one Parquet row for every video, so that the next run knows what is done.

It is replaced whole, after every video while that is cheap, and so that writing takes a tenth of the time at most once
there are very many. A result that was written after the last manifest is not lost either: it says itself what it was
made from, and the next run finds it by its content.
"""

import io
import time
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal

from avadclip.apps.archive.libraries import load_library
from avadclip.apps.archive.storage import Storage
from avadclip.errors import DataError

MANIFEST = "manifest.parquet"
MAX_WRITING_SHARE = 0.1  # of the time


@dataclass(frozen=True)
class ManifestRow:
    """What is known of one video."""

    source: str
    """Absolute path or URL."""
    status: Literal["pending", "done", "failed"]
    error: str | None = None
    """Why it failed, one line."""
    seconds: float = 0.0
    """Of work on it, by all workers and attempts together."""
    attempts: int = 0
    """How often it was begun in the run that ended it."""
    source_bytes: int | None = None
    source_version: str | None = None
    """ETag or time of change when it was found."""
    source_sha256: str | None = None
    """Of its content; None where it never was read to the end."""
    output: str | None = None
    """Path or URL of the feature file or report folder."""
    output_bytes: int | None = None
    """Of all the result's files."""
    made_by: str | None = None
    """Hash of everything else that decides the result: encoders, model, options."""
    finished_at: datetime | None = None
    """UTC."""


class Manifest:
    """Rows by source, and their file.

    Raises:
        DataError: there is a manifest that cannot be read.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._parquet = load_library("pyarrow.parquet")
        self._rows = self._read()
        self._changed = False
        self._next_write = 0.0

    def get(self, source: str) -> ManifestRow | None:
        """What is known of a video."""
        return self._rows.get(source)

    def put(self, row: ManifestRow) -> None:
        """Note something, and write it down if it is time."""
        self._rows[row.source] = row
        self._changed = True
        if time.monotonic() >= self._next_write:
            self.save()

    def save(self) -> None:
        """Write the file, if there is anything new."""
        if not self._changed:
            return
        started = time.monotonic()
        file = io.BytesIO()
        self._parquet.write_table(self._table(), file)
        self._storage.write(MANIFEST, file.getvalue())
        self._changed = False
        now = time.monotonic()
        self._next_write = now + (now - started) * (1 / MAX_WRITING_SHARE - 1)

    def _table(self) -> Any:
        pyarrow = load_library("pyarrow")
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
            rows = self._parquet.read_table(io.BytesIO(content)).to_pylist()
            return {row["source"]: ManifestRow(**row) for row in rows}
        except Exception as error:  # pyarrow has many, and a foreign table other columns
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(
                f"{self._storage.address_of(MANIFEST)} cannot be read as a manifest ({reason}); remove it: "
                "results that are there are then known by their content"
            ) from error


def now() -> datetime:
    """The time, as rows state it."""
    return datetime.now(UTC).replace(microsecond=0)
