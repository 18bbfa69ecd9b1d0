"""On a full disk, intake is refused with a reason (507), everything can be read, and deletion works."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import service_fakes
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from avadclip.apps.service.jobs import queue
from avadclip.apps.service.settings import ServiceSettings

WRITES = ("INSERT", "UPDATE", "DELETE")


@pytest.fixture
def video(make_video: Callable[..., Path]) -> bytes:
    return make_video(2).read_bytes()


def upload(service: Any, video: bytes) -> Any:
    return service.client.post("/api/uploads?name=yard.mp4", content=video)


def job_that_ended(service: Any, video: bytes, wait_until: Callable[..., Any]) -> str:
    job_id = upload(service, video).json()["id"]
    wait_until(lambda: service.client.get(f"/api/jobs/{job_id}").json()["state"] == "failed", what="the job")
    return str(job_id)


def assert_usable(service: Any, job_id: str, video: bytes) -> None:
    """That jobs can be read and deleted, and that others are refused."""
    client, settings = service.client, service.service.settings
    before = sorted(settings.uploads.iterdir())
    refused = upload(service, video)
    assert (refused.status_code, refused.headers["content-type"]) == (507, "application/problem+json")
    assert "delete old jobs" in refused.json()["detail"]
    assert sorted(settings.uploads.iterdir()) == before
    assert client.get(f"/api/jobs/{job_id}").status_code == 200
    assert client.get("/readiness").status_code == 200
    assert client.delete(f"/api/jobs/{job_id}").status_code == 204
    assert client.get(f"/api/jobs/{job_id}").status_code == 404
    assert not list(settings.uploads.glob(f"*{job_id}*"))


def refuse_writes(reserve: Path, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    """What SQLite does on a full disk."""
    if statement.startswith(WRITES) and reserve.exists():
        full = sqlite3.OperationalError("database or disk is full")
        full.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise OperationalError(statement, None, full)


def test_jobs_are_deleted_with_the_room_of_the_reserve(
    tmp_path: Path, running: Any, video: bytes, wait_until: Callable[..., Any]
) -> None:
    settings = ServiceSettings(data=tmp_path, min_free_bytes=0)
    with running(settings, service_fakes.Refusing) as service:
        first, second = (job_that_ended(service, video, wait_until) for _ in range(2))
        engine = service.service.store.database._engine
        sa.event.listen(engine, "before_cursor_execute", partial(refuse_writes, tmp_path / "reserve"))
        assert_usable(service, first, video)
        assert_usable(service, second, video)


def test_a_video_that_does_not_fit_is_refused_and_leaves_nothing(
    tmp_path: Path, running: Any, video: bytes, fill_disk_of_uploads: Callable[[], None]
) -> None:
    with running(ServiceSettings(data=tmp_path, min_free_bytes=0), service_fakes.Refusing) as service:
        fill_disk_of_uploads()
        refused = upload(service, video)
        assert refused.status_code == 507
        assert "No space left on device" in refused.json()["detail"]
        assert list((tmp_path / "uploads").iterdir()) == []
        assert service.service.media.kept_bytes == 0


def test_jobs_wait_for_room(
    tmp_path: Path, running: Any, videos_folder: Path, wait_until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    monkeypatch.setattr(queue, "IDLE_SECONDS", 0.05)
    settings = ServiceSettings(data=tmp_path, folders=(videos_folder,))
    with running(settings, service_fakes.Refusing) as service, monkeypatch.context() as full:
        full.setattr(service.service.media, "is_nearly_full", lambda: looks.append(True) or True)
        job_id = service.client.post("/api/jobs", json={"path": "yard.mp4"}).json()["id"]
        looks.clear()
        wait_until(lambda: len(looks) > 1, what="the runner to look twice")
        assert service.client.get(f"/api/jobs/{job_id}").json()["state"] == "queued"
        full.undo()
        wait_until(lambda: service.client.get(f"/api/jobs/{job_id}").json()["state"] == "failed", what="the job")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=True, capture_output=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> None:
    with suppress(OSError), (disk / "filler").open("ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.system
def test_a_service_on_a_full_disk_works_and_starts(
    small_disk: Path, running: Any, video: bytes, wait_until: Callable[..., Any]
) -> None:
    settings = ServiceSettings(data=small_disk / "data", min_free_bytes=0)
    with running(settings, service_fakes.Refusing) as service:
        first, second = (job_that_ended(service, video, wait_until) for _ in range(2))
        fill(small_disk)
        assert_usable(service, first, video)
        fill(small_disk)
    fill(small_disk)
    with running(settings, service_fakes.Refusing) as service:
        wait_until(lambda: service.client.get("/readiness").status_code == 200, what="the model")
        fill(small_disk)
        assert_usable(service, second, video)
