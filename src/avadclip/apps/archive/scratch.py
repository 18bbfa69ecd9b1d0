"""Temporary folders that are also removed after a crash of their process."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

PREFIX = "avadclip-ray-"  # short: Ray puts sockets in such a folder, whose paths are limited to 107 bytes
LOCK = "lock"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Create a folder for the duration of the block; folders of killed processes on this machine are removed first.

    A folder's process is alive while it holds the folder's lock, which the system releases with the process.
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
    """Remove the folders of dead processes."""
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
