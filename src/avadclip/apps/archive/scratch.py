"""Temporary folders that do not outlive their process by long, however that ends."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

PREFIX = "avadclip-ray-"  # short: Ray keeps sockets in such a folder, whose paths end at 107 bytes
LOCK = "lock"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for the length of the block. What killed processes left behind on the machine is removed first.

    Whether a folder's process lives is known by its lock, which the system lets go of with the process.
    """
    sweep()
    new = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    with (new / LOCK).open("w") as lock:
        _try_lock(lock)
        folder = new.rename(new.with_name(new.name[1:]))  # only now: a sweep would take it for left behind
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove the folders of processes that are gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not (folder / LOCK).exists():  # it had one from the start: killed while it was removed
            shutil.rmtree(folder, ignore_errors=True)
            continue
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
