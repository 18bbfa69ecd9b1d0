"""Writing files whole or not at all.

A full disk, a killed process, or an error half way must never leave a file that looks finished. Everything is written
under a temporary name in the folder it belongs to (a rename is only atomic inside one file system), flushed to disk,
and renamed.
"""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PRIVATE_UMASK = 0o077  # for processes whose files are all their own


def make_private(folder: Path, *patterns: str) -> None:
    """Make a folder, or take all rights to it from everybody but its owner.

    Args:
        folder: made with its parents if it is missing.
        patterns: globs of what else in it is closed: other files may be somebody else's. Links are left.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in (folder.resolve(), *(path for pattern in patterns for path in folder.glob(pattern))):
        with suppress(FileNotFoundError, PermissionError):  # gone meanwhile, or somebody else's
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode) and mode & PRIVATE_UMASK:
                path.chmod(stat.S_IMODE(mode) & ~PRIVATE_UMASK)


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write one file; afterwards it holds all of `data` or what it held before. Text is UTF-8, line ends as given."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; leaving the block makes it `path`, an exception removes it.

    The folder is made if it is missing. The temporary name ends like `path` does, for writers that choose a format by
    suffix, and starts with a dot, so that no listing takes it for a result.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}.", suffix=f".partial{path.suffix}")
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(_usual_mode())  # mkstemp's 0600 would hide results from everyone else
        _flush_to_disk(temporary, os.O_RDWR)  # Windows flushes only what may be written
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    with suppress(OSError):  # not every file system can flush a folder, and the file itself is safe
        _flush_to_disk(path.parent, os.O_RDONLY)


def _usual_mode() -> int:
    """Permissions that `open` would have given a new file."""
    # The mask can only be read by setting it, which is not safe between threads; Linux also has it in /proc.
    with suppress(OSError, ValueError, StopIteration), Path("/proc/self/status").open() as status:
        mask = next(line for line in status if line.startswith("Umask:"))
        return 0o666 & ~int(mask.split()[1], 8)
    return 0o644


def _flush_to_disk(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
