"""A temporary folder that does not outlive its process by long, however that ends."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

PREFIX = "avadclip-archive-"
LOCK = "lock"


class Scratch:
    """A folder of one process. What killed processes left behind is removed when the next one begins on the machine.

    Whether a folder's process lives is known by its lock, which the system lets go of with the process.
    """

    def __init__(self) -> None:
        sweep()
        new = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
        self._lock = (new / LOCK).open("w")
        _try_lock(self._lock)
        self.path = new.rename(new.with_name(new.name[1:]))  # only now: a sweep would take it for left behind

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def sweep() -> None:
    """Remove the folders of processes that are gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError), (folder / LOCK).open("r+") as lock:
            if _try_lock(lock):
                shutil.rmtree(folder, ignore_errors=True)


def _try_lock(file: IO[str]) -> bool:
    import fcntl  # Ray runs on Linux and macOS

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
