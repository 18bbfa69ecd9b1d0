"""A data folder and a database belong together, and to one service at a time.

Both hold the id of the store. Neither is ever used with another: the files of one store are unknown to all others.
"""

import os
from contextlib import ExitStack
from pathlib import Path

from avadclip.apps.service.jobs.media_folder import ids_of_files
from avadclip.apps.service.settings import ServiceSettings
from avadclip.apps.service.store.database import sqlite_file
from avadclip.apps.service.store.store import Store
from avadclip.errors import ConfigError
from avadclip.files import make_private, write_atomically

ID_FILE = "store-id"
MAX_ID_CHARACTERS = 32
OWN_FILES = (
    "uploads",
    "uploads/*",
    "results",
    "results/**/*",
    "cameras",
    "cameras/**/*",
    "avadclip.sqlite*",
    ID_FILE,
    "lock",
    "reserve",
)


class OwnershipError(ConfigError):
    """A data folder and a database that do not belong together, or that another service uses."""


def lock_folders(settings: ServiceSettings, cleanup: ExitStack) -> None:
    """Make the data folder private, and keep other services out of it and of the folder of a SQLite file.

    Args:
        settings: names both.
        cleanup: releases them.

    Raises:
        OwnershipError: another service uses one of them.
    """
    make_private(settings.data, *OWN_FILES)
    file = sqlite_file(settings.store_url)
    for folder in {settings.data.resolve(), *([] if file is None else [file.parent.resolve()])}:
        cleanup.callback(FolderLock(folder).release)


def open_own_store(settings: ServiceSettings, cleanup: ExitStack) -> Store:
    """Open the database, and check that the data folder belongs to it.

    A folder and a database without an id are given one, if each is empty or they share a job.

    Args:
        settings: names both.
        cleanup: closes the database.

    Raises:
        OwnershipError: they do not belong together, or another service uses the database.
        ConfigError: see `open_database`.
    """
    check_sqlite_file(settings)
    store = Store(settings.store_url)
    cleanup.callback(store.close)
    store.database.lock_for_service()
    _bind(settings.data, store, ids_of_files(settings))
    return store


def check_sqlite_file(settings: ServiceSettings) -> None:
    """Raise OwnershipError if SQLite would make a new file for a folder that was used with another one."""
    file = sqlite_file(settings.store_url)
    if file is not None and not file.exists() and (_read_id(settings.data) or ids_of_files(settings)):
        raise OwnershipError(
            f"{file} is missing, and {settings.data} was used with a database; restore it from a backup, or give "
            "another folder"
        )


def _bind(folder: Path, store: Store, present: set[str]) -> None:
    identity, folder_id = store.identity(), _read_id(folder)
    remedy = f"give the two that belong together (if these do, write {identity.id} into {folder / ID_FILE})"
    if folder_id is None:
        if identity.has_folder:
            raise OwnershipError(f"the database has another data folder than {folder}, which has no id; {remedy}")
        if (present or store.ids_with_files()) and not present & store.ids():
            raise OwnershipError(
                f"{folder} has files of {len(present)} jobs, and the database knows none of them; {remedy}"
            )
        write_atomically(folder / ID_FILE, f"{identity.id}\n")
    elif folder_id != identity.id:
        raise OwnershipError(f"{folder} has the id {folder_id}, and the database {identity.id}; {remedy}")
    if not identity.has_folder:
        store.note_folder()


def _read_id(folder: Path) -> str | None:
    try:
        text = (folder / ID_FILE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    return text.strip()[:MAX_ID_CHARACTERS]


class FolderLock:
    """Lock of a folder, released with the process at the latest."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._descriptor)
        except OSError as error:
            os.close(self._descriptor)
            raise OwnershipError(
                f"{folder} is in use by another `avadclip serve`; stop it, or give this one another --data"
            ) from error

    def release(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
