"""Reading of manifests as 0.1.0 wrote them: one Parquet file."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from avadclip.apps.archive.storage import Storage
from avadclip.errors import DataError

OLD_MANIFEST = "manifest.parquet"
ROWS_AT_ONCE = 10_000  # in memory


def read_old_manifest(
    storage: Storage, scratch: Path, columns: Sequence[str]
) -> Iterator[tuple[str | int | float | None, ...]]:
    """Yield the values of each row in the order of `columns`, times as text.

    Raises:
        DataError: it cannot be read.
    """
    from pyarrow import parquet

    try:
        file = storage.local_path(OLD_MANIFEST) or storage.fetch(OLD_MANIFEST, scratch)
        with parquet.ParquetFile(file) as table:
            for batch in table.iter_batches(ROWS_AT_ONCE):
                for row in batch.to_pylist():
                    values = (row[name] for name in columns)
                    yield tuple(value.isoformat() if isinstance(value, datetime) else value for value in values)
    except Exception as error:  # pyarrow raises many types, and a foreign table has other columns
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{storage.address_of(OLD_MANIFEST)} cannot be read as a manifest ({reason}); remove it: "
            "existing results are then recognised by their content"
        ) from error
