"""Room on the disk for deletions: a database writes before it frees anything."""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from avadclip.apps.service.store.database import is_full

RESERVE_BYTES = 8 * 1024**2
PIECE_BYTES = 64 * 1024

T = TypeVar("T")
log = logging.getLogger(__name__)


class Reserve:
    """A file that is given up when the disk is full."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def fill(self) -> None:
        """Make the file as large as the disk allows."""
        with self._lock, suppress(OSError), self._path.open("ab", buffering=0) as file:
            while file.tell() < RESERVE_BYTES:
                file.write(os.urandom(PIECE_BYTES))  # no file system can compress these

    def release(self) -> None:
        """Give up the file."""
        with self._lock:
            self._path.unlink(missing_ok=True)

    def use(self, write: Callable[[], T]) -> T:
        """Do something that writes to the database; once more without the file if the disk is full."""
        try:
            return write()
        except SQLAlchemyError as error:
            if not is_full(error):
                raise
            log.warning("the disk is full; the reserve is used")
            self.release()
            try:
                return write()
            finally:
                self.fill()
