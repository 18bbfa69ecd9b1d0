"""Detectors of the tests. Child processes import this module by its name, so it stands on the path of both."""

import os
import time
from pathlib import Path
from typing import Any

from avadclip.errors import CheckpointError, MediaError


class Hanging:
    """Never says anything."""

    def detect(self, _path: Path, **_options: Any) -> None:
        time.sleep(3600)


class Slow:
    """Tells its progress for ever, and finds nothing."""

    def detect(self, _path: Path, *, on_progress: Any) -> None:
        for step in range(100_000):
            on_progress(step / 1000, 100.0)
            time.sleep(0.01)


class Crashing:
    """Takes the whole process down, as a decoder may."""

    def detect(self, _path: Path, **_options: Any) -> None:
        os.abort()


class Refusing:
    """Cannot read anything."""

    def detect(self, path: Path, **_options: Any) -> None:
        raise MediaError(f"{path} is damaged;\nconvert it")


class Full:
    """Works on a disk that is full."""

    def detect(self, path: Path, **_options: Any) -> None:
        raise OSError(28, "No space left on device", f"{path.parent}/inner/name")


def unloadable() -> None:
    raise CheckpointError("no such model; train one")


def dying() -> None:
    os.abort()
