"""What a run over an archive told, noted and left."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from avadclip.apps.archive.manifest import MANIFEST
from avadclip.apps.archive.run import ArchiveOutcome


def statuses(outcomes: list[ArchiveOutcome]) -> dict[str, str]:
    return {Path(outcome.source.name).stem: outcome.status for outcome in outcomes}


def rows(out: Path) -> dict[str, dict]:
    """The manifest as any program reads it, by the names of the videos."""
    with closing(sqlite3.connect(out / MANIFEST)) as database:
        database.row_factory = sqlite3.Row
        return {Path(row["source"]).stem: dict(row) for row in database.execute("SELECT * FROM videos")}


def made(log: Path) -> Counter[str]:
    """How often the features of each video were made."""
    return Counter(line.split()[1] for line in log.read_text().splitlines()) if log.is_file() else Counter()


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
