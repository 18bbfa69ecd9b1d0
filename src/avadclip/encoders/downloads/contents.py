"""What the user's cache folder contains, for people who want to see it or to empty it."""

import shutil
from pathlib import Path
from typing import Literal, NamedTuple

from avadclip.encoders.downloads.cache import RECORDS_FILE, cache_folder

CacheKind = Literal["weights", "graphs", "measurements", "records"]
CACHE_KINDS: dict[CacheKind, str] = {
    "weights": "downloaded and converted weights",
    "graphs": "networks exported for ONNX Runtime",
    "measurements": "choices of `--precision auto`",
    "records": "hashes of first downloads, which later ones are compared with",
}


class CacheEntry(NamedTuple):
    """A file or folder directly in the cache folder."""

    name: str
    kind: CacheKind
    path: Path
    num_bytes: int

    def remove(self) -> None:
        """Delete it; raises OSError."""
        if self.path.is_dir():
            shutil.rmtree(self.path)
        else:
            self.path.unlink()


def list_cache() -> list[CacheEntry]:
    """Everything in the cache folder but the locks of downloads, by name."""
    folder = cache_folder()
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [CacheEntry(path.name, _kind(path), path, _size(path)) for path in paths if path.suffix != ".lock"]


def _kind(path: Path) -> CacheKind:
    if path.name == RECORDS_FILE:
        return "records"
    if path.suffix == ".onnx":
        return "graphs"
    return "measurements" if path.name.startswith("precision-") else "weights"


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file())
