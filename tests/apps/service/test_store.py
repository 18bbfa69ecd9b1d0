"""The store, on SQLite and on PostgreSQL."""

import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import alembic.autogenerate
import alembic.migration
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from made_up_events import make_live_event

from avadclip.apps.service.schemas import (
    REVIEW,
    AuditEntry,
    EventQuery,
    Job,
    JobState,
    LiveEventQuery,
    Origin,
    StoredEvent,
)
from avadclip.apps.service.store import database
from avadclip.apps.service.store.database import open_database
from avadclip.apps.service.store.store import Store
from avadclip.apps.service.store.tables import LIVE_MEDIA, metadata
from avadclip.errors import ConfigError
from avadclip.events import NamedSound


@pytest.fixture
def url(make_database: Callable[[Path], str], tmp_path: Path) -> str:
    return make_database(tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store(url)
    yield store
    store.close()


def make_job(**changes: Any) -> Job:
    values = {"id": uuid.uuid4().hex, "name": "yard.mp4", "origin": Origin.UPLOAD, "path": "/x", "size_bytes": 7}
    values |= {"state": JobState.QUEUED, "requested_by": "local", "created_at": time.time()}
    return Job.model_validate(values | changes)


def make_event(job: Job, number: int = 1, **changes: Any) -> StoredEvent:
    values = {"id": f"{job.id}-{number:04d}", "job_id": job.id, "source": job.name, "label": "fighting", "score": 0.9}
    values |= {"start": 1.0, "end": 2.0, "severity": "alert", "modality": "visual", "model": "m", "threshold": 0.5}
    return StoredEvent.model_validate(values | {"sound_gain": None, "picture_gain": 0.25} | changes)


def add_done(store: Store, *events: dict[str, Any], **changes: Any) -> Job:
    store.add_job(make_job(**changes))
    job = store.claim_next()
    assert job is not None
    assert store.finish(job, [make_event(job, number, **event) for number, event in enumerate(events, 1)])
    return job


def test_the_migrations_make_the_tables_of_the_code(url: str) -> None:
    with open_database(url).connect() as connection:
        context = alembic.migration.MigrationContext.configure(connection)
        assert alembic.autogenerate.compare_metadata(context, metadata) == []


def test_a_job_comes_back_as_it_was_stored(url: str) -> None:
    job = make_job(name="Hof \N{CLAPPER BOARD}.mp4", size_bytes=5_000_000_000)
    first = Store(url)
    first.add_job(job)
    first.close()
    assert Store(url).job(job.id) == job


def test_jobs_are_claimed_oldest_first_and_each_once_by_many_threads(store: Store) -> None:
    jobs = [make_job(created_at=1000.0 + number) for number in range(20)]
    for job in reversed(jobs):
        store.add_job(job)
    first = store.claim_next()
    assert first is not None
    assert (first.id, first.state, first.attempts) == (jobs[0].id, JobState.RUNNING, 1)

    claimed: list[str] = []

    def claim_all() -> None:
        while (job := store.claim_next()) is not None:
            claimed.append(job.id)

    threads = [threading.Thread(target=claim_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(job.id for job in jobs[1:])


def test_a_job_ends_once_and_an_overtaken_attempt_leaves_nothing(store: Store) -> None:
    store.add_job(make_job())
    first = store.claim_next()
    assert first is not None
    store.retry(first)
    second = store.claim_next()
    assert second is not None
    assert second.attempts == 2

    assert not store.finish(first, [make_event(first, 1, label="of the first attempt")])
    assert not store.fail(first, "of the first attempt")
    assert store.finish(second, [make_event(second)], peak_score=0.9)
    assert not store.finish(second, [make_event(second, 2)])

    kept = store.job(second.id)
    assert kept is not None
    assert (kept.state, kept.num_events, kept.peak_score) == (JobState.DONE, 1, 0.9)
    assert [event.label for event in store.events(EventQuery())[0]] == ["fighting"]


def test_a_released_job_waits_as_if_it_had_not_begun(store: Store) -> None:
    job = make_job()
    store.add_job(job)
    claimed = store.claim_next()
    assert claimed is not None
    store.release(claimed)
    assert store.job(job.id) == job


def test_events_that_cannot_be_kept_leave_the_job_unfinished(store: Store) -> None:
    store.add_job(make_job())
    job = store.claim_next()
    assert job is not None
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        store.finish(job, [make_event(job), make_event(job)])
    assert [left.id for left in store.running()] == [job.id]
    assert store.events(EventQuery()) == ([], 0)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["b1", "b2", "a1", "a2"]),
        ({"label": "riot"}, ["b1"]),
        ({"severity": "detection"}, ["b2", "a2"]),
        ({"min_score": 0.7}, ["b1", "a1"]),
        ({"min_score": 0.9}, ["b1"]),
        ({"from_seconds": 10.0}, ["b2"]),
        ({"from_seconds": 9.99}, ["b2", "a2"]),
        ({"to_seconds": 3.0}, ["b1", "a1"]),
        ({"from_seconds": 4.5, "to_seconds": 10.5}, ["b2", "a1", "a2"]),
        ({"since": 2000.0}, ["b1", "b2"]),
        ({"until": 2000.0}, ["a1", "a2"]),
        ({"limit": 2, "offset": 1}, ["b2", "a1"]),
    ],
)
def test_events_are_found_by_class_score_and_time(store: Store, query: dict[str, Any], found: list[str]) -> None:
    # a1: 1 to 5 s, 0.7; a2: 8 to 10 s, 0.6; b1: 2 to 4 s, 0.9; b2: 10 to 11 s, 0.5. Half open: 10 is not in a2.
    a2 = {"start": 8.0, "end": 10.0, "score": 0.6, "severity": "detection", "model": "a2"}
    b2 = {"start": 10.0, "end": 11.0, "score": 0.5, "severity": "detection", "model": "b2"}
    add_done(store, {"start": 1.0, "end": 5.0, "score": 0.7, "model": "a1"}, a2, created_at=1000.0)
    add_done(store, {"start": 2.0, "end": 4.0, "label": "riot", "model": "b1"}, b2, created_at=2000.0)
    events, total = store.events(EventQuery(**query))
    assert [event.model for event in events] == found
    assert total == (4 if "limit" in query else len(found))


GLASS = {"name": "Glass", "probability": 0.71, "start": 1.0, "end": 2.0}
SPEECH = {"name": 'Speech "\\ä', "probability": 0.9, "start": 1.0, "end": 2.0}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"kind": "sound"}, ["alone"]),
        ({"kind": "model"}, ["with speech", "without"]),
        ({"sound": "glass"}, ["alone", "with speech"]),
        ({"sound": "LAS"}, ["alone", "with speech"]),
        ({"sound": "speech"}, ["with speech"]),
        ({"sound": 'ech "\\Ä'}, ["with speech"]),
        ({"sound": "name"}, []),
        ({"sound": "0.71"}, []),
        ({"sound": "g.ass"}, []),
        ({"sound": "%"}, []),
        ({"sound": '","probability'}, []),
        ({"sound": "glass", "kind": "model"}, ["with speech"]),
    ],
)
def test_events_are_found_by_their_sounds(store: Store, query: dict[str, Any], found: list[str]) -> None:
    alone = {"model": "alone", "kind": "sound", "sounds": [GLASS]}
    spoken = {"model": "with speech", "sounds": [SPEECH, GLASS]}
    job = add_done(store, alone, spoken, {"model": "without"})
    events, total = store.events(EventQuery(**query))
    assert [event.model for event in events] == found
    assert total == len(found)
    assert store.events(EventQuery(job=job.id))[0][1] == make_event(job, 2, **spoken)
    for number, event in enumerate((alone, spoken, {"model": "without"})):
        store.keep_live_event(make_live_event(id=f"yard-{number}", start=-number, **event))
    live, _ = store.live_events(LiveEventQuery(**query))
    assert [event.model for event in live] == found
    assert all(type(sound) is NamedSound for event in live for sound in event.sounds)


def test_the_longest_id_of_a_live_event_fits(store: Store) -> None:
    label = "scratching-performance-technique"  # the longest of the tagger; a camera's name has up to 64 letters
    event = make_live_event(id=f"{'c' * 64}.{label}-1764406800000")
    store.keep_live_event(event)
    assert store.live_events(LiveEventQuery())[0] == [event]


def test_events_from_before_named_sounds_are_of_the_model(url: str) -> None:
    open_database(url).dispose()
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
        columns = {column["name"] for column in sa.inspect(connection).get_columns("live_events")}
        assert not {"kind", "sounds"} & columns
        values = make_live_event().model_dump(exclude={"kind", "sounds", *LIVE_MEDIA, *REVIEW}) | {"number": 0}
        old = sa.table("live_events", *map(sa.column, values))
        connection.execute(sa.insert(old).values(values))
    engine.dispose()
    store = Store(url)
    assert store.live_events(LiveEventQuery(kind="model"))[0] == [make_live_event()]
    store.close()


def test_events_of_one_job(store: Store) -> None:
    job, _ = add_done(store, {}), add_done(store, {}, {})
    events, total = store.events(EventQuery(job=job.id))
    assert ([event.job_id for event in events], total) == ([job.id], 1)
    assert events == [make_event(job)]


def test_a_job_being_deleted_is_hidden_and_then_gone_with_its_events(store: Store) -> None:
    job, other = add_done(store, {}), add_done(store, {})
    hidden = store.begin_deletion(job.id)
    assert hidden is not None
    assert store.begin_deletion(job.id) is None
    assert store.job(job.id) is None
    assert [left.id for left in store.jobs(limit=9)[0]] == [other.id]
    assert store.jobs(state=JobState.DELETING, limit=9) == ([], 0)
    assert [event.job_id for event in store.events(EventQuery())[0]] == [other.id]
    assert [left.id for left in store.half_deleted()] == [job.id]

    store.end_deletion(job.id)
    assert store.half_deleted() == []
    assert store.ids() == {other.id}
    assert store.labels() == ["fighting"]


def test_a_running_job_that_is_deleted_cannot_end(store: Store) -> None:
    store.add_job(make_job())
    job = store.claim_next()
    assert job is not None
    store.begin_deletion(job.id)
    assert not store.finish(job, [make_event(job)])
    store.retry(job)
    assert [left.id for left in store.half_deleted()] == [job.id]


def test_only_jobs_that_ended_long_ago_are_up_for_deletion(store: Store) -> None:
    done = add_done(store)
    store.add_job(make_job(created_at=1.0))
    assert store.ended_before(time.time() - 3600) == []
    assert store.ended_before(time.time() + 1) == [done.id]


def test_files_of_other_people_do_not_count_towards_the_quota(store: Store) -> None:
    for origin in Origin:
        store.add_job(make_job(origin=origin, size_bytes=3_000_000_000))
    assert store.kept_bytes() == 6_000_000_000


def test_a_live_event_is_kept_once_as_its_newest_message_has_it(store: Store) -> None:
    new, update = make_live_event(0), make_live_event(1, score=0.9, severity="alert")
    end = make_live_event(2, score=0.9, severity="alert", end=4.0, is_open=False, note="stopped", sound_gain=0.25)
    for event in (new, new, update, new):
        store.keep_live_event(event)
    assert store.live_events(LiveEventQuery()) == ([update], 1)
    for event in (end, update, end):
        store.keep_live_event(event)
    assert store.live_events(LiveEventQuery()) == ([end], 1)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["gate-2", "yard-2", "yard-1"]),
        ({"camera": "yard"}, ["yard-2", "yard-1"]),
        ({"label": "riot"}, ["yard-2"]),
        ({"severity": "alert"}, ["gate-2"]),
        ({"min_score": 0.8}, ["gate-2"]),
        ({"since": 200.0}, ["gate-2", "yard-2"]),
        ({"until": 200.0}, ["yard-1"]),
        ({"limit": 1, "offset": 1}, ["yard-2"]),
    ],
)
def test_live_events_are_found_by_camera_class_score_and_time(
    store: Store, query: dict[str, Any], found: list[str]
) -> None:
    store.keep_live_event(make_live_event(id="yard-1", start=100.0))
    store.keep_live_event(make_live_event(id="yard-2", start=200.0, label="riot"))
    store.keep_live_event(make_live_event(id="gate-2", start=200.0, source="gate", score=0.8, severity="alert"))
    events, total = store.live_events(LiveEventQuery(**query))
    assert [event.id for event in events] == found
    assert total == (3 if "limit" in query else len(found))
    assert store.cameras() == ["gate", "yard"]


def test_classes_of_videos_and_cameras_are_listed_together(store: Store) -> None:
    add_done(store, {"label": "riot"}, {"label": "fighting"})
    store.keep_live_event(make_live_event(label="fighting"))
    store.keep_live_event(make_live_event(id="yard-2000", label="shooting"))
    assert store.labels() == ["fighting", "riot", "shooting"]


def test_live_events_that_were_over_long_ago_are_forgotten(store: Store) -> None:
    store.keep_live_event(make_live_event(id="over", start=50.0, end=99.0, is_open=False))
    store.keep_live_event(make_live_event(id="over later", start=50.0, end=100.0, is_open=False))
    store.keep_live_event(make_live_event(id="never ended", start=99.0))
    store.keep_live_event(make_live_event(id="goes on", start=100.0))
    store.forget_live_events(100.0)
    assert {event.id for event in store.live_events(LiveEventQuery())[0]} == {"over later", "goes on"}


def test_a_service_and_a_watch_may_open_an_empty_database_at_once(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(Store, [url] * 4))
    for store in stores:
        store.keep_live_event(make_live_event())
        store.close()


def test_the_audit_keeps_its_order_and_forgets(store: Store) -> None:
    for at in (1.0, 2.0, 3.0):
        entry = {"who": "ann", "address": "::1", "method": "GET", "path": "/api/jobs", "status": 200, "job_id": None}
        store.add_audit([AuditEntry(at=at, **entry)])
    assert [entry.at for entry in store.audit(limit=2)[0]] == [3.0, 2.0]
    store.forget_audit(2.5)
    assert [entry.at for entry in store.audit(limit=9)[0]] == [3.0]


def test_sqlite_overwrites_what_is_deleted(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    job = add_done(store, name="a name nobody else has")
    store.keep_live_event(make_live_event(note="a note nobody else has"))
    files = [tmp_path / "store.sqlite", tmp_path / "store.sqlite-wal"]

    def is_there(text: bytes) -> bool:
        return any(text in path.read_bytes() for path in files if path.exists())

    assert is_there(b"a name nobody else has")
    store.begin_deletion(job.id)
    store.end_deletion(job.id)
    assert not is_there(b"a name nobody else has")
    assert is_there(b"a note nobody else has")
    store.forget_live_events(before=time.time())
    assert not is_there(b"a note nobody else has")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://somewhere/x", "use SQLite or PostgreSQL"),
        ("nonsense", "cannot be read"),
        ("sqlite:////does/not/exist/x.sqlite", "cannot be opened"),
        ("postgresql://ann:secret@127.0.0.1:1/x", "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line_without_the_password(url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as refused:
        open_database(url)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    Store(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(ConfigError, match="newer"):
        open_database(f"sqlite:///{path}")
