"""A data folder and a database that do not belong together are never used, and lose nothing."""

import shutil
import sqlite3
import threading
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import service_fakes
from test_store import make_job

from avadclip.apps.cli.watch import _open_store
from avadclip.apps.live.config import StoreConfig
from avadclip.apps.service.ownership import OwnershipError, open_own_store
from avadclip.apps.service.schemas import Job, JobState
from avadclip.apps.service.settings import ServiceSettings
from avadclip.apps.service.store.store import Store

MakeDatabase = Callable[[Path], str]


def use(settings: ServiceSettings) -> str:
    """Begin and end a service as far as the store; returns the store's id."""
    with ExitStack() as cleanup:
        return open_own_store(settings, cleanup).identity().id


def add_upload(settings: ServiceSettings) -> Job:
    """A job with a video, as 0.1.0 or this version left it."""
    job_id = uuid.uuid4().hex
    job = make_job(id=job_id, state=JobState.DONE, path=str(settings.uploads / f"{job_id}.mp4"))
    settings.uploads.mkdir(parents=True, exist_ok=True)
    Path(job.path).write_bytes(b"video")
    store = Store(settings.store_url)
    store.add_job(job)
    store.close()
    return job


def refused(settings: ServiceSettings) -> str:
    before = contents(settings.data)
    with pytest.raises(OwnershipError) as error:
        use(settings)
    assert contents(settings.data) == before
    assert "\n" not in str(error.value)
    return str(error.value)


def contents(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.name.startswith(("lock", "avadclip.sqlite-"))}


@pytest.fixture
def settings(tmp_path: Path, make_database: MakeDatabase) -> ServiceSettings:
    return ServiceSettings(data=tmp_path / "data", database_url=make_database(tmp_path))


@pytest.fixture
def other_url(tmp_path: Path, make_database: MakeDatabase) -> str:
    """Of an empty database."""
    (tmp_path / "other").mkdir()
    url = make_database(tmp_path / "other")
    Store(url).close()
    return url


def with_database(settings: ServiceSettings, url: str) -> ServiceSettings:
    return settings.model_copy(update={"database_url": url})


def test_a_folder_and_its_database_keep_their_id(settings: ServiceSettings) -> None:
    first = use(settings)
    assert use(settings) == first
    assert (settings.data / "store-id").read_text() == f"{first}\n"


def test_a_folder_and_a_database_of_0_1_0_are_adopted(settings: ServiceSettings) -> None:
    add_upload(settings)
    assert use(settings) == use(settings)


@pytest.mark.parametrize("is_adopted", [True, False])
def test_an_empty_database_is_refused_by_a_folder_with_files(
    settings: ServiceSettings, other_url: str, *, is_adopted: bool
) -> None:
    add_upload(settings)
    if is_adopted:
        use(settings)
    assert "give the two that belong together" in refused(with_database(settings, other_url))


def test_a_folder_without_files_keeps_its_database(settings: ServiceSettings, other_url: str) -> None:
    first = use(settings)
    assert first in refused(with_database(settings, other_url))


def test_a_database_of_another_folder_is_refused(settings: ServiceSettings, tmp_path: Path) -> None:
    use(settings)
    other = settings.model_copy(update={"data": tmp_path / "new"})
    assert "another data folder" in refused(other)


def test_a_database_of_0_1_0_is_refused_by_a_folder_without_its_files(
    settings: ServiceSettings, tmp_path: Path
) -> None:
    add_upload(settings)
    assert "knows none" in refused(settings.model_copy(update={"data": tmp_path / "new"}))


def test_the_operator_can_state_that_they_belong_together(settings: ServiceSettings, tmp_path: Path) -> None:
    job = add_upload(settings)
    store_id = use(settings)
    restored = settings.model_copy(update={"data": tmp_path / "restored"})
    shutil.copytree(settings.uploads, restored.uploads)  # a backup of 0.1.0's documentation, without the id
    refused(restored)
    (restored.data / "store-id").write_text(store_id)
    assert use(restored) == store_id
    assert (restored.uploads / f"{job.id}.mp4").exists()


def test_a_start_that_is_killed_between_the_two_ids_is_completed(settings: ServiceSettings) -> None:
    store = Store(settings.store_url)
    settings.data.mkdir()
    (settings.data / "store-id").write_text(store.identity().id)
    store.close()
    assert use(settings) == use(settings)


def test_a_missing_sqlite_file_is_not_made_anew(tmp_path: Path) -> None:
    settings = ServiceSettings(data=tmp_path)
    use(settings)
    (tmp_path / "avadclip.sqlite").unlink()
    assert "is missing" in refused(settings)
    with pytest.raises(OwnershipError, match="is missing"):
        _open_store(StoreConfig(data=tmp_path))
    assert not (tmp_path / "avadclip.sqlite").exists()


def test_an_emptied_database_deletes_nothing(tmp_path: Path, running: Any) -> None:
    settings = ServiceSettings(data=tmp_path)
    job = add_upload(settings)
    use(settings)
    with sqlite3.connect(tmp_path / "avadclip.sqlite") as connection:
        connection.execute("DELETE FROM jobs")
    connection.close()
    with running(settings, service_fakes.Refusing):
        assert Path(job.path).exists()


def test_a_copied_folder_leaves_the_original_alone(tmp_path: Path, running: Any) -> None:
    settings = ServiceSettings(data=tmp_path / "data", min_free_bytes=0)
    job = add_upload(settings)
    use(settings)
    copy = settings.model_copy(update={"data": tmp_path / "copy"})
    shutil.copytree(settings.data, copy.data)
    with running(copy, service_fakes.Refusing) as service:
        assert service.client.delete(f"/api/jobs/{job.id}").status_code == 204
    assert list(copy.uploads.iterdir()) == []
    assert Path(job.path).exists()


def test_one_service_at_a_time_uses_a_database(
    settings: ServiceSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avadclip.apps.service.store.database.LOCK_SECONDS", 1)
    use(settings)
    copy = settings.model_copy(update={"data": tmp_path / "copy"})
    shutil.copytree(settings.data, copy.data)
    with ExitStack() as cleanup:
        open_own_store(settings, cleanup)
        with pytest.raises(Exception, match="in use by another"):
            use(copy)
    use(copy)


@pytest.mark.system
def test_postgresql_waits_for_a_killed_service_to_be_gone(postgres_schema: str, tmp_path: Path) -> None:
    settings = ServiceSettings(data=tmp_path / "data", database_url=postgres_schema)
    use(settings)
    first = ExitStack()
    open_own_store(settings, first)
    copy = settings.model_copy(update={"data": tmp_path / "copy"})
    shutil.copytree(settings.data, copy.data)
    timer = threading.Timer(0.5, first.close)
    timer.start()
    use(copy)
    timer.join()
