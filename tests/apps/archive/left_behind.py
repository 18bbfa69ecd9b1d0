"""What a run over an archive told, noted and left."""

from collections import Counter
from pathlib import Path

import pyarrow.parquet

from avadclip.apps.archive.manifest import MANIFEST
from avadclip.apps.archive.run import ArchiveOutcome


def statuses(outcomes: list[ArchiveOutcome]) -> dict[str, str]:
    return {Path(outcome.source.name).stem: outcome.status for outcome in outcomes}


def rows(out: Path) -> dict[str, dict]:
    return {Path(row["source"]).stem: row for row in pyarrow.parquet.read_table(out / MANIFEST).to_pylist()}


def made(log: Path) -> Counter[str]:
    """How often the features of each video were made."""
    return Counter(line.split()[1] for line in log.read_text().splitlines()) if log.is_file() else Counter()


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
