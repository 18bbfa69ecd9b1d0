"""Run with `pytest`, once the package is installed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avadclip.testing import check_sink


def test_lines(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "events", tmp_path / "elsewhere"
    path = folder / "events.jsonl"
    folder.mkdir()

    def received() -> list[str]:
        return [json.loads(line)["id"] for line in path.read_text().splitlines()] if path.is_file() else []

    @contextmanager
    def broken() -> Iterator[None]:
        """The folder is away."""
        folder.rename(elsewhere)
        yield
        elsewhere.rename(folder)

    check_sink("lines", {"path": str(path)}, received=received, broken=broken)
