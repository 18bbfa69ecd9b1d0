"""Readers do not wait for writers, and a damaged SQLite file is one line."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import service_fakes
from made_up_events import make_live_event

from avadclip.apps.service.settings import ServiceSettings
from avadclip.apps.service.store.database import open_database
from avadclip.apps.service.store.store import Store
from avadclip.errors import ConfigError

NUM_READERS = 100
PAGE_BYTES = 4096
ROUTES = ("jobs", "events", "live-events", "labels", "cameras", "audit", "version")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Another process's write transaction, which does not end before the block does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM live_events")
        yield
        connection.execute("ROLLBACK")


def test_a_hundred_readers_do_not_wait_for_a_writer(tmp_path: Path, running: Any) -> None:
    with running(ServiceSettings(data=tmp_path), service_fakes.Refusing) as service:
        service.service.store.keep_live_event(make_live_event())
        limits = httpx2.Limits(max_connections=NUM_READERS)
        with (
            httpx2.Client(base_url=service.url, limits=limits, timeout=60) as client,
            ThreadPoolExecutor(NUM_READERS) as readers,
        ):
            paths = [f"/api/{ROUTES[number % len(ROUTES)]}" for number in range(2 * NUM_READERS)]
            with writing(tmp_path / "avadclip.sqlite"):
                statuses = list(readers.map(lambda path: client.get(path).status_code, paths))
        assert statuses == [200] * len(paths)
        audited = service.client.get("/api/audit", params={"limit": 1000}).json()
        assert audited["total"] == sum(path in ("/api/events", "/api/audit") for path in paths)


def overwrite(path: Path, begin: int) -> None:
    content = bytearray(path.read_bytes())
    content[begin:] = b"\xaa" * (len(content) - begin)
    path.write_bytes(content)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "avadclip.sqlite"
    with closing(Store(f"sqlite:///{path}")) as store:
        for number in range(100):
            store.keep_live_event(make_live_event(id=f"yard-{number}"))
    return path


DAMAGES: dict[str, Callable[[Path], object]] = {
    "not a database": lambda path: path.write_bytes(b"nonsense" * 1000),
    "header": lambda path: overwrite(path, 0),
    "later pages": lambda path: overwrite(path, PAGE_BYTES),
    "last page": lambda path: overwrite(path, path.stat().st_size - PAGE_BYTES),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[: 3 * PAGE_BYTES]),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_refused_with_one_line(stored: Path, damage: Callable[[Path], object]) -> None:
    damage(stored)
    with pytest.raises(ConfigError, match=r"is damaged \(.*\); restore it from a backup") as refused:
        open_database(f"sqlite:///{stored}")
    assert "\n" not in str(refused.value)


def test_a_file_that_is_damaged_while_it_is_used_makes_the_service_not_ready(
    stored: Path, running: Any, wait_until: Callable[..., Any]
) -> None:
    with running(ServiceSettings(data=stored.parent), service_fakes.Refusing) as service:
        client, database = service.client, service.service.store.database
        wait_until(lambda: client.get("/readiness").status_code == 200, what="the model")
        database.empty_log()
        overwrite(stored, PAGE_BYTES)
        database._engine.dispose()  # and what its connections remember
        answer = client.get("/api/live-events")
        assert answer.status_code == 503
        assert answer.json()["detail"] == "the database is damaged; ask the operator"
        not_ready = client.get("/readiness")
        assert (not_ready.status_code, not_ready.json()["detail"]) == (
            503,
            "the database is damaged; restore it from a backup",
        )
        assert client.get("/healthz").status_code == 200
