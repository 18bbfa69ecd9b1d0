"""State that survives a restart, in one SQLite file: open events, cooldowns and undelivered messages."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from avadclip.apps.live.messages import EventMessage
from avadclip.errors import ConfigError
from avadclip.files import make_private

RESERVE_BYTES = 2**20  # in the file and its log; some hundred messages can be recorded and sent though the disk is full

_SCHEMA = """
CREATE TABLE IF NOT EXISTS open_events (event TEXT PRIMARY KEY, message TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY,
    sink TEXT NOT NULL,
    event TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    created REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL,
    UNIQUE (sink, id)
);
CREATE TABLE IF NOT EXISTS cooldowns (
    sink TEXT NOT NULL,
    camera TEXT NOT NULL,
    since REAL NOT NULL,
    held_back TEXT NOT NULL,
    PRIMARY KEY (sink, camera)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reserve (room BLOB);
"""
# Only the oldest message of an event may be sent: a receiver never gets an end before the beginning.
_NEXT = """
SELECT number, id, body, created, attempts, due FROM outbox AS message
WHERE sink = ? AND NOT EXISTS (
    SELECT 1 FROM outbox AS earlier
    WHERE earlier.sink = message.sink AND earlier.event = message.event AND earlier.number < message.number
)
ORDER BY due, number LIMIT 1
"""


class Waiting(NamedTuple):
    """A message that a sink has not delivered yet."""

    number: int
    id: str
    body: str
    created: float
    attempts: int
    due: float
    """Unix time of the next attempt."""


class Cooldown(NamedTuple):
    """A notice sink's state for one camera."""

    since: float
    """Unix time at which the event of the last notice began."""
    held_back: dict[str, int]
    """Events by label that were not noticed since."""


class PlannedNotice(NamedTuple):
    """What an event comes to for a notice sink."""

    sink: str
    camera: str
    cooldown: Cooldown
    """From now on."""
    body: str | None
    """Of the notice; None: the event is only counted."""


class Ledger:
    """Store of open events, cooldowns and undelivered messages; thread-safe, one process per folder.

    Raises:
        ConfigError: another process uses the folder, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = threading.RLock()
        self._path = path = folder / "watch.sqlite"
        try:
            make_private(folder, "watch.sqlite*", "undelivered.jsonl")
            path.touch(0o600)
            self._database = sqlite3.connect(path, timeout=0.5, check_same_thread=False)
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")  # a message counts as stored once it is on disk
            self._database.executescript(_SCHEMA)
            self._reserve_room()
        except (sqlite3.Error, OSError) as error:
            raise ConfigError(
                f"{path} cannot be used ({error}); each `avadclip watch` needs a state folder of its own"
            ) from error

    def record(self, message: EventMessage, sinks: Iterable[str], notices: Iterable[PlannedNotice] = ()) -> None:
        """Store the event's state, a copy of the message for every sink, and its notices, in one transaction."""
        event, body, now = message.after.id, message.to_json(), time.time()
        with self._transaction() as database:
            if message.type == "end":
                database.execute("DELETE FROM open_events WHERE event = ?", (event,))
            else:
                database.execute("REPLACE INTO open_events VALUES (?, ?)", (event, body))
            bodies = [(sink, body) for sink in sinks]
            for notice in notices:
                since, held_back = notice.cooldown
                row = (notice.sink, notice.camera, since, json.dumps(held_back))
                database.execute("REPLACE INTO cooldowns VALUES (?, ?, ?, ?)", row)
                if notice.body is not None:
                    bodies.append((notice.sink, notice.body))
            database.executemany(
                "INSERT OR IGNORE INTO outbox (sink, event, id, body, created, due) VALUES (?, ?, ?, ?, ?, ?)",
                [(sink, event, message.id, each, now, now) for sink, each in bodies],
            )

    def cooldown(self, sink: str, camera: str) -> Cooldown | None:
        """A notice sink's state for a camera; None before its first notice."""
        query = "SELECT since, held_back FROM cooldowns WHERE sink = ? AND camera = ?"
        with self._transaction() as database:
            row = database.execute(query, (sink, camera)).fetchone()
        return None if row is None else Cooldown(row[0], json.loads(row[1]))

    def open_events(self) -> list[EventMessage]:
        """The last message of every open event."""
        with self._transaction() as database:
            rows = database.execute("SELECT message FROM open_events ORDER BY event").fetchall()
        return [EventMessage.model_validate_json(body) for (body,) in rows]

    def next_waiting(self, sink: str) -> Waiting | None:
        """The message to deliver next; it may not be due yet."""
        with self._transaction() as database:
            row = database.execute(_NEXT, (sink,)).fetchone()
        return None if row is None else Waiting(*row)

    def count_waiting(self, sink: str) -> int:
        """Number of undelivered messages of a sink."""
        with self._transaction() as database:
            (count,) = database.execute("SELECT COUNT(*) FROM outbox WHERE sink = ?", (sink,)).fetchone()
        return int(count)

    def forget(self, message: Waiting) -> None:
        """Remove a message that was delivered or given up."""
        with self._transaction() as database:
            database.execute("DELETE FROM outbox WHERE number = ?", (message.number,))

    def postpone(self, message: Waiting, due: float) -> None:
        """Count a failed attempt and set the Unix time of the next one."""
        with self._transaction() as database:
            database.execute(
                "UPDATE outbox SET attempts = attempts + 1, due = ? WHERE number = ?", (due, message.number)
            )

    def _reserve_room(self) -> None:
        """Let the file and its log grow now; SQLite uses the room again, which it never gives back to the disk."""
        self._database.execute("PRAGMA wal_autocheckpoint = 50")  # pages; else the log would outgrow its room
        with self._database:
            self._database.execute("INSERT INTO reserve VALUES (zeroblob(?))", (RESERVE_BYTES,))
        with self._database:
            self._database.execute("DELETE FROM reserve")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk at the end of the block."""
        try:
            with self._lock, self._database:
                yield self._database
        except sqlite3.Error as error:
            raise ConfigError(f"{self._path} cannot be used ({error}); free disk space, then restart") from error

    def close(self) -> None:
        """Close the database and release the folder."""
        with self._lock:
            self._database.close()
