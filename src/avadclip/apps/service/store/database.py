"""The store's database: SQLite by default, PostgreSQL by URL; migrated to the newest form."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from avadclip.apps.service.store.tables import store
from avadclip.errors import ConfigError

BUSY_SECONDS = 30  # how long one writer of SQLite waits for another
CONNECT_SECONDS = 10  # for a server's answer
MIGRATION_LOCK = 0x61766164  # any number of our own: a service and a watch may open an empty PostgreSQL at once
SERVICE_LOCK = 0x61766165
LOCK_SECONDS = 30  # for PostgreSQL to notice that a killed service is gone: longer than KEEPALIVE takes
KEEPALIVE = ("tcp_keepalives_idle = 10", "tcp_keepalives_interval = 5", "tcp_keepalives_count = 3")
DISK_FULL = "53100"  # PostgreSQL's SQLSTATE
BEGIN = "avadclip_begin"  # option of a connection to SQLite: the statement that begins its transactions


class DatabaseAwayError(ConfigError):
    """The database cannot be reached, or opened; it may be later."""


class Database:
    """Connections. Readers wait for nobody; writers of SQLite wait for each other.

    Raises:
        ConfigError, DatabaseAwayError: see `open_database`.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_database(url)
        self._writer = _writer(self._engine)
        self._service_lock: sa.Connection | None = None
        self.dialect = self._engine.dialect.name
        self.damage: str | None = None
        """What SQLite found damaged in its file since it was opened."""
        sa.event.listen(self._engine, "handle_error", self._note_damage)

    def close(self) -> None:
        """Give the connections back."""
        if self._service_lock is not None:
            self._service_lock.close()
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that sees one state of the database."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction, which is on disk at the end of the block."""
        with self._writer.begin() as connection:
            yield connection

    def ping(self) -> None:
        """Ask the database for something; sqlalchemy.exc.SQLAlchemyError where it does not answer."""
        with self.reading() as connection:
            connection.execute(sa.select(store.c.id)).one()

    def empty_log(self) -> None:
        """SQLite: what was deleted is overwritten in the file, and still in its log."""
        if self.dialect == "sqlite":
            with self._engine.execution_options(**{BEGIN: ""}).connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def lock_for_service(self) -> None:
        """PostgreSQL: keep other services out until `close`; those of SQLite lock its folder.

        Raises:
            ConfigError: another service has it.
        """
        if self.dialect != "postgresql":
            return
        self._service_lock = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        for setting in (*KEEPALIVE, f"lock_timeout = '{LOCK_SECONDS}s'"):
            self._service_lock.exec_driver_sql(f"SET {setting}")
        lock = sa.func.pg_advisory_lock(SERVICE_LOCK, sa.func.hashtext(sa.select(store.c.id).scalar_subquery()))
        try:
            self._service_lock.execute(sa.select(lock))
        except OperationalError as error:
            raise ConfigError(
                "the database is in use by another `avadclip serve`; stop it, or use another database"
            ) from error

    def _note_damage(self, context: sa.engine.ExceptionContext) -> None:
        if isinstance(context.sqlalchemy_exception, SQLAlchemyError) and is_damage(context.sqlalchemy_exception):
            self.damage = str(context.original_exception)


def open_database(url: str) -> sa.Engine:
    """Connect, and bring the tables to the newest version.

    Args:
        url: as SQLAlchemy names databases; `postgresql://` means the psycopg driver.

    Raises:
        ConfigError: another kind of database, one that was made by a newer version, or a damaged one.
        DatabaseAwayError: it cannot be reached.
    """
    try:
        parsed = sa.make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise ConfigError(f"the database {parsed.get_backend_name()} is not supported; use SQLite or PostgreSQL")
        engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
        _migrate(engine)
    except (ArgumentError, NoSuchModuleError, ValueError) as error:  # ValueError: of a port, or of the host's name
        raise ConfigError(
            "the database URL cannot be read; it looks like postgresql://user:password@host/name"
        ) from error
    except CommandError as error:
        raise ConfigError("the database was made by a newer avadclip; install that, or use another database") from error
    except OperationalError as error:
        raise DatabaseAwayError(
            f"the database {parsed.render_as_string()} cannot be opened ({reason_of(error)})"
        ) from error
    except DatabaseError as error:
        raise ConfigError(
            f"the database {parsed.render_as_string()} is damaged ({reason_of(error)}); restore it from a backup"
        ) from error
    return engine


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite database; None for others."""
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        return None  # `open_database` refuses it
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def reason_of(error: Exception) -> str:
    """One line, without the statement and its values."""
    return " ".join(str(getattr(error, "orig", error)).split())


def is_full(error: SQLAlchemyError) -> bool:
    """Whether the database's disk has no room left."""
    is_full_for_postgresql = getattr(getattr(error, "orig", None), "sqlstate", "") == DISK_FULL
    return is_full_for_postgresql or _sqlite_code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)


def is_damage(error: SQLAlchemyError) -> bool:
    """Whether SQLite found its file damaged."""
    return _sqlite_code(error) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_away(error: SQLAlchemyError) -> bool:
    """Whether the database did not answer; it may do later."""
    return isinstance(error, OperationalError | InterfaceError | sa.exc.TimeoutError)


def _sqlite_code(error: SQLAlchemyError) -> int:
    return int(getattr(getattr(error, "orig", None), "sqlite_errorcode", 0))


def _sqlite(url: sa.URL) -> sa.Engine:
    # Every thread may have its connection: they are cheap, and waiting for one would be waiting for other readers.
    connect_args = {"timeout": BUSY_SECONDS, "isolation_level": None}
    engine = sa.create_engine(url, max_overflow=-1, connect_args=connect_args)

    @sa.event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # Two readers that both want to become the writer would fail at once, whatever the timeout says.
        statement = connection.get_execution_options().get(BEGIN, "BEGIN")
        if statement:
            connection.exec_driver_sql(statement)

    return engine


def _writer(engine: sa.Engine) -> sa.Engine:
    return engine.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})


def _postgresql(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_SECONDS})


def _migrate(engine: sa.Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with _writer(engine).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        else:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if found != "ok":
                raise DatabaseError(None, None, sqlite3.DatabaseError(found))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
