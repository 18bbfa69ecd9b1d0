"""Notices to a real HTTP receiver through Apprise's json:// addresses."""

import base64
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import avadclip.apps.live.delivery
from avadclip.apps.live.config import CameraConfig, WatchConfig
from avadclip.apps.live.delivery import Delivery, DeliveryError
from avadclip.apps.live.ledger import Ledger
from avadclip.apps.live.messages import EventMessage, LiveEvent, SinkStats
from avadclip.apps.live.sinks.notice import NoticeSink
from avadclip.apps.live.sinks.notice_config import NoticeConfig
from avadclip.apps.live.sinks.notice_plan import Notice, NoticePlan
from avadclip.apps.live.watch import Watch
from avadclip.config import parse_config
from avadclip.errors import ConfigError
from avadclip.events import NamedSound
from avadclip.inference.detector import Detector

PATIENCE = 30.0
JPEG = b"\xff\xd8 a picture"
MONDAY = datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()  # noon


def message(start: float, *, label: str = "fighting", camera: str = "yard", **event: Any) -> EventMessage:
    after = LiveEvent(
        id=f"{camera}-{round(start * 1000)}", source=camera, label=label, score=0.913, start=start, end=None,
        severity="alert", modality="visual", model="tiny", threshold=0.5, **event,
    )  # fmt: skip
    return EventMessage(type="new", id=f"{after.id}.0", before=None, after=after)


class Phone(ThreadingHTTPServer):
    """What Apprise's json:// sends to; answers with the codes it is given, then with 200."""

    def __init__(self, *codes: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.codes, self.taken, self.arrived = list(codes), [], threading.Condition()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://ann:sesame@127.0.0.1:{self.server_port}/door-key"

    def wait_for(self, count: int) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.taken) >= count, PATIENCE)


class _Handler(BaseHTTPRequestHandler):
    server: Phone

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        code = self.server.codes.pop(0) if self.server.codes else 200
        self.send_response(code)
        self.end_headers()
        with self.server.arrived:
            if code == 200:
                self.server.taken.append(body)
            self.server.arrived.notify_all()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def make_phone() -> Iterator[Callable[..., Phone]]:
    phones: list[Phone] = []

    def make(*codes: int) -> Phone:
        phones.append(Phone(*codes))
        return phones[-1]

    yield make
    for phone in phones:
        phone.shutdown()
        phone.server_close()


def config(url: str = "json://h", **options: Any) -> NoticeConfig:
    return NoticeConfig(name="phone", url=url, **options)


class Desk:
    """A watch's part in notices: plans and records messages at the times they carry."""

    def __init__(self, folder: Path, notice: NoticeConfig, **cameras: CameraConfig) -> None:
        self.ledger = Ledger(folder)
        self.plan = NoticePlan(notice, cameras or {"yard": CameraConfig(source="x")})

    def take(self, each: EventMessage) -> None:
        planned = self.plan.plan(each, self.ledger.cooldown(self.plan.sink, each.after.source))
        self.ledger.record(each, [], [] if planned is None else [planned])

    def waiting(self) -> list[Notice]:
        """All notices that are to be sent, which are then forgotten."""
        notices = []
        while found := self.ledger.next_waiting(self.plan.sink):
            notices.append(Notice.model_validate_json(found.body))
            self.ledger.forget(found)
        return notices


@pytest.fixture
def make_desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def make(notice: NoticeConfig, **cameras: CameraConfig) -> Desk:
        desks.append(Desk(tmp_path / "state", notice, **cameras))
        return desks[-1]

    yield make
    for desk in desks:
        desk.ledger.close()


def test_a_notice_says_what_where_and_when_with_picture_and_link(make_phone: Any, make_desk: Any, tmp_path) -> None:
    phone, picture = make_phone(), tmp_path / "yard.jpg"
    picture.write_bytes(JPEG)
    desk = make_desk(config(phone.url), yard=CameraConfig(source="x", time_zone="Asia/Tokyo"))
    link, sound = "https://example.org/p", NamedSound(name="Shout", probability=0.41, start=1.0, end=2.0)
    desk.take(message(MONDAY, picture=str(picture), picture_link=link, sounds=(sound,)))
    waiting = desk.ledger.next_waiting("notice phone")
    assert NoticeSink(config(phone.url)).deliver(waiting, threading.Event())
    (taken,) = phone.taken
    assert taken["title"] == "yard: fighting (alert)"
    assert taken["message"].splitlines() == [
        "2026-01-05 21:00:00+09:00, score 0.91", "Sounds: Shout 0.41", "https://example.org/p"
    ]  # fmt: skip
    assert [base64.b64decode(each["base64"]) for each in taken["attachments"]] == [JPEG]
    picture.unlink()  # the notice comes without it, rather than not at all
    assert NoticeSink(config(phone.url)).deliver(waiting, threading.Event())
    assert phone.taken[1]["attachments"] == []


def test_events_within_the_cooldown_are_counted_and_named_in_the_next_notice(make_desk: Any) -> None:
    desk = make_desk(config(cooldown_seconds=60))
    for seconds, label in [(0, "riot"), (1, "riot"), (30, "fighting"), (59.9, "riot"), (60, "riot"), (130, "riot")]:
        desk.take(message(MONDAY + seconds, label=label))
    first, second, third = desk.waiting()
    assert [each.event.start - MONDAY for each in (first, second, third)] == [0, 60, 130]
    assert [each.held_back for each in (first, second, third)] == [{}, {"riot": 2, "fighting": 1}, {}]
    assert f"Not sent since {first.local_time}: 3 (riot 2, fighting 1)" in second.text
    assert "Not sent" not in third.text


def test_cooldowns_are_per_camera_and_survive_a_restart(make_desk: Any) -> None:
    cameras = {"yard": CameraConfig(source="x"), "gate": CameraConfig(source="y")}
    desk = make_desk(config(cooldown_seconds=60), **cameras)
    desk.take(message(MONDAY))
    desk.take(message(MONDAY + 1, camera="gate"))
    desk.take(message(MONDAY + 2))
    assert [each.event.source for each in desk.waiting()] == ["yard", "gate"]
    desk.ledger.close()
    again = make_desk(config(cooldown_seconds=60), **cameras)
    again.take(message(MONDAY + 3))
    assert again.waiting() == []
    again.take(message(MONDAY + 61))
    assert [each.held_back for each in again.waiting()] == [{"fighting": 2}]
    again.take(message(MONDAY - 3600))  # the clock was set back: the camera is not silent until it is there again
    assert len(again.waiting()) == 1


def test_only_the_named_cameras_and_only_beginnings_are_noticed(make_desk: Any) -> None:
    cameras = {"yard": CameraConfig(source="x"), "gate": CameraConfig(source="y")}
    desk = make_desk(config(cameras=["gate"], cooldown_seconds=0), **cameras)
    desk.take(message(MONDAY))
    new = message(MONDAY + 1, camera="gate")
    desk.take(new)
    for number, kind in enumerate(["update", "end"], start=1):
        desk.take(new.model_copy(update={"type": kind, "id": f"{new.after.id}.{number}"}))
    assert [each.event.source for each in desk.waiting()] == ["gate"]


@pytest.mark.parametrize(("zone", "is_sent"), [("UTC", True), ("Asia/Tokyo", False), ("America/New_York", True)])
def test_a_schedule_is_in_the_cameras_time_zone(make_desk: Any, zone: str, is_sent: bool) -> None:
    """Monday noon in Greenwich is 21:00 in Tokyo and 7:00 in New York."""
    yard = CameraConfig(source="x", time_zone=zone)
    desk = make_desk(config(schedule=["mon 07:00-13:00"], cooldown_seconds=60), yard=yard)
    desk.take(message(MONDAY))
    assert len(desk.waiting()) == is_sent
    assert (desk.ledger.cooldown("notice phone", "yard") is not None) == is_sent  # and none is counted either


def test_an_undelivered_notice_is_tried_again_shown_and_never_doubled(
    make_phone: Any, make_desk: Any, tmp_path, caplog
) -> None:
    phone = make_phone(500, 403)
    desk = make_desk(config(phone.url))
    sink = NoticeSink(config(phone.url))
    delivery = Delivery(sink, desk.ledger, tmp_path / "undelivered.jsonl", retry_seconds=(0.3,))
    desk.take(message(MONDAY))
    delivery.start()
    deadline = time.monotonic() + PATIENCE
    while delivery.last_error is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (delivery.num_waiting, delivery.last_error) == (1, "JSON responded with status 500")
    phone.wait_for(1)
    delivery.finish(PATIENCE)
    assert (delivery.num_waiting, delivery.last_error, len(phone.taken)) == (0, None, 1)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("avadclip")]
    assert ours == ["notice phone: JSON responded with status 500; trying again in 0.3 s"]


def test_a_restart_neither_loses_nor_doubles_a_notice(make_phone: Any, make_desk: Any, tmp_path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = config(f"json://127.0.0.1:{closed.getsockname()[1]}", cooldown_seconds=0)
        first = make_desk(nobody)
        delivery = Delivery(NoticeSink(nobody), first.ledger, tmp_path / "undelivered.jsonl", retry_seconds=(1.0,))
        for seconds in range(5):
            first.take(message(MONDAY + seconds))
        delivery.start()
        delivery.finish(0.2)
    first.ledger.close()
    phone = make_phone()
    second = make_desk(config(phone.url, cooldown_seconds=0))
    second.take(message(MONDAY + 4))  # the same message again is no second notice
    delivery = Delivery(NoticeSink(config(phone.url)), second.ledger, tmp_path / "u.jsonl", retry_seconds=(0.1,))
    delivery.start()
    phone.wait_for(5)
    delivery.finish(PATIENCE)
    assert sorted(each["message"][17:19] for each in phone.taken) == [f"{seconds:02}" for seconds in range(5)]


@pytest.fixture
def root_log() -> Iterator[StringIO]:
    """What the log of a command shows, and more."""
    text = StringIO()
    handler, root = logging.StreamHandler(text), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("url", ["nosuch://ann:sesame@h", "sesame", "json://", "discord://sesame"])
def test_an_unknown_address_is_refused_in_one_line_without_it(url: str, root_log: StringIO, capfd) -> None:
    with pytest.raises(ConfigError, match=r"notice\.url of phone is no URL that Apprise knows") as refused:
        NoticeSink(config(url))
    assert "\n" not in str(refused.value)
    assert "sesame" not in f"{refused.value}{root_log.getvalue()}{capfd.readouterr()}{config(url)!r}"


@pytest.mark.parametrize("code", [401, 500])
def test_no_secret_of_an_address_is_logged(  # noqa: PLR0917  fixtures
    make_phone: Any, make_desk: Any, tmp_path, monkeypatch, root_log: StringIO, code: int
) -> None:
    monkeypatch.setattr(avadclip.apps.live.delivery, "MAX_ATTEMPTS", 2)
    phone = make_phone(code, code)
    desk = make_desk(config(phone.url))
    delivery = Delivery(NoticeSink(config(phone.url)), desk.ledger, tmp_path / "u.jsonl", retry_seconds=(0.01,))
    desk.take(message(MONDAY))
    delivery.start()
    delivery.finish(PATIENCE)
    assert delivery.num_given_up == 1
    everything = root_log.getvalue() + (tmp_path / "u.jsonl").read_text() + str(delivery.last_error)
    assert f"status {code}" in everything
    assert [secret for secret in ("sesame", "ann", "door-key") if secret in everything] == []


def test_a_receiver_that_is_not_there_is_a_delivery_error(make_desk: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        notice = config(f"json://127.0.0.1:{closed.getsockname()[1]}")
        desk = make_desk(notice)
        desk.take(message(MONDAY))
        with pytest.raises(DeliveryError, match=r"^JSON did not take it, or cannot be reached$"):
            NoticeSink(notice).deliver(desk.ledger.next_waiting("notice phone"), threading.Event())


def test_a_watch_sends_one_notice_an_event_with_its_picture(
    make_phone: Any, bright_is_bad: Detector, write_yard: Any, tmp_path
) -> None:
    phone = make_phone()
    path = write_yard(tmp_path / "yard.mkv", [0.1, 0.6, 0.9] + [0.1] * 6 + [0.9, 0.1, 0.1], with_sound=False)
    content = {
        "cameras": {"yard": {"source": str(path), "speed": 2.0}},
        "state": str(tmp_path / "state"),
        "notice": [{"name": "phone", "url": phone.url, "cooldown_seconds": 0}],
    }
    messages: list[Any] = []
    watch = Watch(parse_config(content, WatchConfig, origin="test"), bright_is_bad, messages.append)
    watch.run()
    assert [each["title"] for each in phone.taken] == ["yard: fighting (detection)", "yard: fighting (alert)"]
    assert [len(each["attachments"]) for each in phone.taken] == [1, 1]
    assert not any(each["message"].count("http") for each in phone.taken)  # no address is guessed
    written = json.loads((tmp_path / "state" / "stats.json").read_text())
    assert SinkStats(**written["sinks"]["notice phone"]) == SinkStats(waiting=0, given_up=0)
