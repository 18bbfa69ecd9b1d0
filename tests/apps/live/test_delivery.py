"""Webhooks to a real server, checked by the reference implementation of the scheme."""

import base64
import json
import resource
import stat
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from standardwebhooks import Webhook as Receiver

import avadclip.apps.live.delivery
from avadclip.apps.live.config import WebhookConfig
from avadclip.apps.live.delivery import Delivery, DeliveryError
from avadclip.apps.live.ledger import Ledger
from avadclip.apps.live.messages import EventMessage, LiveEvent
from avadclip.apps.live.sinks.webhook import Webhook
from avadclip.errors import ConfigError

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PATIENCE = 30.0


def message(kind, number=0, event="yard-1", score=0.5):
    after = LiveEvent(
        id=event, source="yard", label="fighting", score=score, start=1.0, end=2.0 if kind == "end" else None,
        severity="alert", modality="visual", model="tiny", threshold=0.5, sound_gain=None,
    )  # fmt: skip
    return EventMessage(type=kind, id=f"{event}.{number}", before=None, after=after)


class Hook(ThreadingHTTPServer):
    """Answers with the codes it is given, then with 200, and keeps what it took."""

    def __init__(self, *codes):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.codes, self.taken, self.attempts, self.paths = list(codes), [], [], set()
        self.arrived = threading.Condition()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def config(self):
        return self.config_of("/hook")

    def config_of(self, path):
        return WebhookConfig(url=f"http://127.0.0.1:{self.server_port}{path}", secret=SECRET)

    def wait_for(self, count):
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.taken) >= count, PATIENCE)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {key.lower(): value for key, value in self.headers.items()}
        Receiver(SECRET).verify(body, headers)  # raises, and so answers nothing, where the signature is wrong
        code = self.server.codes.pop(0) if self.server.codes else 200
        self.send_response(code)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        with self.server.arrived:
            self.server.paths.add(self.path)
            self.server.attempts.append(headers["webhook-id"])
            if code == 200:
                self.server.taken.append((headers["webhook-id"], json.loads(body)))
            self.server.arrived.notify_all()

    def log_message(self, *_):
        pass


@pytest.fixture
def make_hook():
    hooks = []

    def make(*codes):
        hooks.append(Hook(*codes))
        return hooks[-1]

    yield make
    for hook in hooks:
        hook.shutdown()
        hook.server_close()


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "state")
    yield made
    made.close()


def deliver(hook, ledger, tmp_path, count, **options):
    delivery = Delivery(Webhook(hook.config), ledger, tmp_path / "undelivered.jsonl", **options)
    delivery.start()
    hook.wait_for(count)
    delivery.finish(PATIENCE)


def test_every_message_arrives_once_signed_and_in_order(make_hook, ledger, tmp_path) -> None:
    hook = make_hook()
    sent = [message("new"), message("update", 1, score=0.7), message("end", 2)]
    for each in sent:
        ledger.record(each, ["webhook"])
    deliver(hook, ledger, tmp_path, 3)
    assert [taken_id for taken_id, _ in hook.taken] == ["yard-1.0", "yard-1.1", "yard-1.2"]
    assert [body for _, body in hook.taken] == [json.loads(each.to_json()) for each in sent]
    assert ledger.count_waiting("webhook") == 0


@pytest.mark.parametrize("code", [500, 404, 302])
def test_what_is_not_taken_is_sent_again_under_the_same_id(make_hook, ledger, tmp_path, code) -> None:
    hook = make_hook(code, code)
    ledger.record(message("new"), ["webhook"])
    deliver(hook, ledger, tmp_path, 1, retry_seconds=(0.05,))
    assert hook.attempts == ["yard-1.0"] * 3
    assert len(hook.taken) == 1


def test_one_events_trouble_keeps_its_order_and_holds_up_no_other(make_hook, ledger, tmp_path) -> None:
    hook = make_hook(500)
    for each in (message("new"), message("end", 1), message("new", event="yard-2")):
        ledger.record(each, ["webhook"])
    deliver(hook, ledger, tmp_path, 3, retry_seconds=(0.5,))
    assert [taken_id for taken_id, _ in hook.taken] == ["yard-2.0", "yard-1.0", "yard-1.1"]


def test_a_restart_neither_loses_nor_doubles(make_hook, tmp_path) -> None:
    """The first process finds nobody listening; the second one takes over its ledger."""
    first = Ledger(tmp_path / "state")
    closed = make_hook()
    closed.server_close()
    delivery = Delivery(Webhook(closed.config), first, tmp_path / "undelivered.jsonl", retry_seconds=(1.0,))
    delivery.start()
    for number in range(20):
        first.record(message("update", number), ["webhook"])
        delivery.notify()
    delivery.finish(0.2)
    first.close()
    second, hook = Ledger(tmp_path / "state"), make_hook()
    assert second.count_waiting("webhook") == 20
    second.record(message("update", 19), ["webhook"])  # the same message again is no second one
    deliver(hook, second, tmp_path, 20)
    assert [taken_id for taken_id, _ in hook.taken] == [f"yard-1.{number}" for number in range(20)]
    second.close()


def test_an_address_may_hold_any_letters(make_hook, ledger) -> None:
    hook = make_hook()
    ledger.record(message("new"), ["webhook"])
    webhook = Webhook(hook.config_of("/tür/ 1?was=é"))
    assert webhook.deliver(ledger.next_waiting("webhook"), threading.Event())
    assert hook.paths == {"/t%C3%BCr/%201?was=%C3%A9"}


class Moody:
    """Raises what it is given, then takes messages."""

    name = "moody"

    def __init__(self, *errors):
        self.errors, self.taken = list(errors), []
        self.arrived = threading.Event()

    def deliver(self, waiting, _stopping):
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(waiting.id)
        self.arrived.set()
        return True


def test_no_exception_ends_a_delivery_and_failures_are_logged_once_in_a_while(ledger, tmp_path, caplog) -> None:
    sink = Moody(UnicodeError("label too long"), RuntimeError("two\nlines"), KeyError("x"), MemoryError())
    ledger.record(message("new"), [sink.name])
    delivery = Delivery(sink, ledger, tmp_path / "undelivered.jsonl", retry_seconds=(0.01,))
    delivery.start()
    assert sink.arrived.wait(PATIENCE)
    delivery.finish(PATIENCE)
    assert sink.taken == ["yard-1.0"]
    assert [record.getMessage() for record in caplog.records] == [
        "moody: UnicodeError: label too long; trying again in 0.01 s"
    ]


def test_a_ledger_that_fails_for_a_while_neither_loses_nor_doubles(ledger, tmp_path, monkeypatch) -> None:
    sink, forget, failures = Moody(), ledger.forget, [ConfigError("the disk is full")] * 2

    def fail_first(waiting):
        if failures:
            raise failures.pop()
        forget(waiting)
        forgotten.set()

    forgotten = threading.Event()
    monkeypatch.setattr(ledger, "forget", fail_first)
    ledger.record(message("new"), [sink.name])
    delivery = Delivery(sink, ledger, tmp_path / "undelivered.jsonl", retry_seconds=(0.01,))
    delivery.start()
    assert forgotten.wait(PATIENCE)
    delivery.finish(PATIENCE)
    assert sink.taken == ["yard-1.0"]
    assert ledger.count_waiting(sink.name) == 0


def test_a_clock_that_was_set_back_delays_no_message(ledger, tmp_path) -> None:
    sink = Moody()
    ledger.record(message("new"), [sink.name])
    ledger.postpone(ledger.next_waiting(sink.name), time.time() + 40 * 86400)
    delivery = Delivery(sink, ledger, tmp_path / "undelivered.jsonl")
    delivery.start()
    assert sink.arrived.wait(PATIENCE)
    delivery.finish(PATIENCE)


def test_what_is_still_undelivered_at_the_end_is_counted(make_hook, ledger, tmp_path, caplog) -> None:
    hook = make_hook()
    hook.server_close()
    for number in range(3):
        ledger.record(message("update", number), ["webhook"])
    delivery = Delivery(Webhook(hook.config), ledger, tmp_path / "undelivered.jsonl")
    delivery.start()
    delivery.finish(PATIENCE)
    assert delivery.num_waiting == 3
    assert caplog.records[-1].getMessage() == "webhook: 3 messages undelivered; the next start sends them"


def test_what_was_never_delivered_is_in_a_file_and_counted(make_hook, ledger, tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(avadclip.apps.live.delivery, "MAX_ATTEMPTS", 1)
    hook = make_hook(500)
    ledger.record(message("new"), ["webhook"])
    ledger.record(message("end", 1), ["webhook"])
    deliver(hook, ledger, tmp_path, 1)
    assert [taken_id for taken_id, _ in hook.taken] == ["yard-1.1"]
    lines = (tmp_path / "undelivered.jsonl").read_text().splitlines()
    assert [EventMessage.model_validate_json(line).id for line in lines] == ["yard-1.0"]
    assert "webhook: 1 messages given up; see " in caplog.text


def test_a_receiver_that_is_not_there_is_a_delivery_error(make_hook, ledger) -> None:
    hook = make_hook()
    hook.server_close()
    ledger.record(message("new"), ["webhook"])
    with pytest.raises(DeliveryError, match="cannot be reached"):
        Webhook(hook.config).deliver(ledger.next_waiting("webhook"), threading.Event())


def test_the_ledger_remembers_open_events_across_restarts(tmp_path) -> None:
    first = Ledger(tmp_path)
    for each in (message("new"), message("update", 1), message("new", event="gate-1"), message("end", 1, "gate-1")):
        first.record(each, [])
    first.close()
    second = Ledger(tmp_path)
    assert [each.id for each in second.open_events()] == ["yard-1.1"]
    second.close()


def test_on_a_full_disk_messages_are_still_recorded_and_sent(tmp_path, ledger) -> None:
    size = max(file.stat().st_size for file in (tmp_path / "state").iterdir())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))  # no file can grow
    try:
        for number in range(100):
            ledger.record(message("update", number), ["webhook", "mqtt"])
        assert ledger.count_waiting("webhook") == 100
        while waiting := ledger.next_waiting("webhook"):
            ledger.forget(waiting)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_state_folder_belongs_to_one_process(tmp_path, ledger) -> None:
    with pytest.raises(ConfigError, match="a state folder of its own") as refused:
        Ledger(tmp_path / "state")
    assert "\n" not in str(refused.value)


def test_a_state_folder_that_others_could_read_is_closed(tmp_path) -> None:
    tmp_path.chmod(0o755)
    for name in ("watch.sqlite", "undelivered.jsonl"):
        (tmp_path / name).touch(0o644)
    Ledger(tmp_path).close()
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (tmp_path, *tmp_path.iterdir())} == {0}
