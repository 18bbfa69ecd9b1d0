"""Events of a watch in the store of a service, on SQLite and on PostgreSQL."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import service_fakes

import avadclip.apps.service.store.database
from avadclip.apps.live.delivery import Delivery, DeliveryError
from avadclip.apps.live.ledger import Ledger
from avadclip.apps.live.messages import EventMessage, LiveEvent
from avadclip.apps.service.cameras.live_sink import StoreSink, stored_event
from avadclip.apps.service.schemas import LiveEventQuery
from avadclip.apps.service.settings import ServiceSettings
from avadclip.apps.service.store.store import Store

PATIENCE_SECONDS = 60.0


def message(number: int, event: int = 1, *, kind: str = "update") -> EventMessage:
    after = LiveEvent(
        id=f"yard-{event}", source="yard", label="fighting", score=0.5 + number / 100, start=float(event),
        end=event + 9.0 if kind == "end" else None, severity="alert", modality="audio-visual", model="tiny",
        threshold=0.5, sound_gain=0.25,
    )  # fmt: skip
    return EventMessage(type=kind, id=f"yard-{event}.{number}", before=None, after=after)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def deliver_to(ledger: Ledger, tmp_path: Path) -> Iterator[Callable[[str], Callable[[list[EventMessage]], None]]]:
    """Starts delivering to a store; gives what takes messages, as a watch does."""
    begun: list[tuple[Delivery, StoreSink]] = []

    def start(url: str) -> Callable[[list[EventMessage]], None]:
        sink = StoreSink(url, retry_seconds=0.05)
        delivery = Delivery(sink, ledger, tmp_path / "undelivered.jsonl")
        delivery.start()
        begun.append((delivery, sink))

        def tell(messages: list[EventMessage]) -> None:
            for each in messages:
                ledger.record(each, [sink.name])
                delivery.notify()

        return tell

    yield start
    for delivery, sink in begun:
        delivery.finish(0.0)
        sink.close()


def kept(url: str) -> list[Any]:
    store = Store(url)
    try:
        return store.live_events(LiveEventQuery())[0]
    finally:
        store.close()


@pytest.fixture
def watch_command(avadclip_command: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], tuple[int, str, str]]:
    monkeypatch.setattr("avadclip.apps.cli.watch._stop_on_signals", lambda _: None)  # the signals are pytest's
    return lambda config: avadclip_command("watch", "--scores", "--config", str(config))


def test_a_service_shows_what_a_watch_finds_while_it_goes_on(
    make_database: Any, running: Any, watch_command: Any, sample_videos: tuple[Path, Path], tmp_path: Path
) -> None:
    """The starter model's scores; at a threshold of 0 everything is an event."""
    url, config = make_database(tmp_path), tmp_path / "watch.toml"
    config.write_text(
        f"state = '{tmp_path}/state'\n[store]\ndatabase = '{url}'\n"
        f"[cameras.rides]\nsource = '{sample_videos[1]}'\nspeed = 3\nthreshold = 0\n"
    )
    settings = ServiceSettings(data=tmp_path / "served", database_url=url)
    with running(settings, service_fakes.Refusing) as service:
        seen: list[dict[str, Any]] = []
        is_over = threading.Event()

        def look() -> None:
            while not is_over.wait(0.1):
                seen.extend(service.client.get("/api/live-events").json()["items"])

        looker = threading.Thread(target=look)
        looker.start()
        try:
            code, out, err = watch_command(config)
        finally:
            is_over.set()
            looker.join()
        assert (code, err) == (0, "")
        lines = [json.loads(line) for line in out.splitlines()]
        told = [EventMessage.model_validate(line) for line in lines if line["type"] in ("new", "update", "end")]
        newest = {each.after.id: stored_event(each).model_dump(mode="json") for each in told}
        shown = service.client.get("/api/live-events").json()["items"]
        assert len(shown) == len(newest) > 0
        assert {event["id"]: event for event in shown} == newest
        for event in shown:
            scores = [line["score"] for line in lines if line["type"] == "score" and _is_within(line, event)]
            assert event["score"] == max(scores)
        as_told = [stored_event(each).model_dump(mode="json") for each in told]
        assert [event for event in seen if event not in as_told] == []
        assert any(event["is_open"] for event in seen)
        assert service.client.get("/api/cameras").json() == ["rides"]


def _is_within(score: dict[str, Any], event: dict[str, Any]) -> bool:
    return bool(event["start"] - 0.01 < score["start"] and score["end"] < event["end"] + 0.01)


def test_the_picture_of_an_event_is_served_from_the_services_folders_alone(
    make_database: Any, running: Any, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    paths = {"inside": pictures / "inside.jpg", "outside": tmp_path / "outside.jpg", "gone": pictures / "gone.jpg"}
    for name in ("inside", "outside"):
        paths[name].write_bytes(b"\xff\xd8 of " + name.encode())
    (pictures / "link.jpg").symlink_to(paths["outside"])
    settings = ServiceSettings(
        data=tmp_path / "served", database_url=make_database(tmp_path), folders=(pictures.resolve(),)
    )
    with running(settings, service_fakes.Refusing) as service:
        store = Store(settings.store_url)
        for name, path in {**paths, "link": pictures / "link.jpg", "none": None}.items():
            event = stored_event(message(0, kind="new"))
            store.keep_live_event(event.model_copy(update={"id": name, "picture": path and str(path)}))
        store.close()
        answers = {n: service.client.get(f"/api/live-events/{n}/picture") for n in (*paths, "link", "none", "unknown")}
        assert {name for name, answer in answers.items() if answer.status_code == 200} == {"inside"}
        assert {answer.status_code for answer in answers.values()} == {200, 404}
        assert answers["inside"].content == b"\xff\xd8 of inside"
        assert answers["inside"].headers["content-type"] == "image/jpeg"
        assert all("picture" not in event for event in service.client.get("/api/live-events").json()["items"])


@pytest.mark.system
def test_a_postgresql_that_was_unreachable_has_every_event_once(
    own_postgres: Any, deliver_to: Callable[..., Any], ledger: Ledger, wait_until: Any, tmp_path: Path
) -> None:
    tell = deliver_to(own_postgres.url)
    tell([message(0, kind="new"), message(1), message(0, 2, kind="new")])
    wait_until(lambda: ledger.count_waiting("store") == 0, what="the first messages")
    own_postgres.stop()
    tell([message(2), message(3, kind="end"), message(0, 3, kind="new")])
    assert ledger.count_waiting("store") == 3
    own_postgres.start()
    tell([message(1, 3, kind="end")])
    wait_until(lambda: ledger.count_waiting("store") == 0, what="the messages from in between")
    newest = [message(1, 3, kind="end"), message(0, 2, kind="new"), message(3, kind="end")]
    assert kept(own_postgres.url) == [stored_event(each) for each in newest]
    assert not (tmp_path / "undelivered.jsonl").exists()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avadclip.apps.service.store.database, "BUSY_SECONDS", 0)


@pytest.mark.usefixtures("impatient")
def test_a_locked_sqlite_has_every_event_once_when_it_is_free(
    deliver_to: Callable[..., Any], ledger: Ledger, wait_until: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    tell = deliver_to(url)
    tell([message(0, kind="new")])
    wait_until(lambda: ledger.count_waiting("store") == 0, what="the first message")
    other = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    tell([message(1), message(2, kind="end"), message(0, 2, kind="new")])
    wait_until(lambda: "database is locked" in caplog.text, what="an attempt")
    assert ledger.count_waiting("store") == 3
    other.execute("ROLLBACK")
    other.close()
    wait_until(lambda: ledger.count_waiting("store") == 0, what="the messages from in between")
    assert kept(url) == [stored_event(message(0, 2, kind="new")), stored_event(message(2, kind="end"))]


def test_a_store_that_is_not_reachable_yet_is_waited_for(
    deliver_to: Callable[..., Any], ledger: Ledger, wait_until: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path / 'later' / 'store.sqlite'}"
    tell = deliver_to(url)
    assert "events wait for it in the state folder" in caplog.text
    tell([message(0, kind="new")])
    (tmp_path / "later").mkdir()
    wait_until(lambda: ledger.count_waiting("store") == 0, what="the message")
    assert kept(url) == [stored_event(message(0, kind="new"))]


@pytest.mark.system
def test_what_a_store_does_not_take_is_tried_again_and_in_the_end_given_up(postgres: str, ledger: Ledger) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA without_table")
        sink = StoreSink(f"{postgres}&options=-csearch_path%3Dwithout_table")
        connection.execute("DROP TABLE without_table.live_events CASCADE")
    ledger.record(message(0, kind="new"), [sink.name])
    waiting = ledger.next_waiting(sink.name)
    assert waiting is not None
    with pytest.raises(DeliveryError, match=r"does not take yard-1\.0") as refused:
        sink.deliver(waiting, threading.Event())
    assert "\n" not in str(refused.value)
    sink.close()


def test_a_watch_that_is_stopped_leaves_its_events_for_the_next_start(ledger: Ledger, tmp_path: Path) -> None:
    sink = StoreSink(f"sqlite:///{tmp_path / 'nowhere' / 'store.sqlite'}", retry_seconds=PATIENCE_SECONDS)
    delivery = Delivery(sink, ledger, tmp_path / "undelivered.jsonl")
    ledger.record(message(0, kind="new"), [sink.name])
    delivery.start()
    delivery.finish(0.0)
    assert not delivery.is_alive()
    assert ledger.count_waiting("store") == 1


@pytest.mark.parametrize(
    ("address", "needed"),
    [
        ("mysql://ann:secret@host/x", "use SQLite or PostgreSQL"),
        ("postgresql://ann:secret@host:abc/x", "it looks like postgresql://user"),
        (f"postgresql://ann:secret@{'a' * 64}.example/x", "it looks like postgresql://user"),
    ],
)
def test_a_store_that_can_never_be_used_is_one_line_without_the_password(
    watch_command: Any, tmp_path: Path, address: str, needed: str
) -> None:
    config = tmp_path / "watch.toml"
    config.write_text(
        f"state = '{tmp_path}/state'\n[store]\ndatabase = '{address}'\n[cameras.a]\nsource = 'rtsp://h/x'\n"
    )
    code, out, err = watch_command(config)
    assert (code, out) == (1, "")
    assert needed in err
    assert "secret" not in err
    assert err.count("\n") == 1
