"""Opening the store's database: SQLite by default, PostgreSQL by URL; migrated to the newest form."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from avadclip.errors import ConfigError

BUSY_SECONDS = 30  # how long one writer of SQLite waits for another
CONNECT_SECONDS = 10  # for a server's answer
MIGRATION_LOCK = 0x61766164  # any number of our own: a service and a watch may open an empty PostgreSQL at once


class DatabaseAwayError(ConfigError):
    """The database cannot be reached, or opened; it may be later."""


def open_database(url: str) -> sa.Engine:
    """Connect, and bring the tables to the newest version.

    Args:
        url: as SQLAlchemy names databases; `postgresql://` means the psycopg driver.

    Raises:
        ConfigError: another kind of database, or one that was made by a newer version.
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
        reason = " ".join(str(error.orig).split())
        raise DatabaseAwayError(f"the database {parsed.render_as_string()} cannot be opened ({reason})") from error
    return engine


def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS, "isolation_level": None})

    @sa.event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin_as_writer(connection: sa.Connection) -> None:
        # Two readers that both want to become the writer would fail at once, whatever the timeout says.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgresql(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_SECONDS})


def _migrate(engine: sa.Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
