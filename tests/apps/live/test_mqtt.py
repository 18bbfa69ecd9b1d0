"""A real mosquitto, stopped and started again."""

import json
import shutil
import socket
import subprocess
import threading
import time

import paho.mqtt.client as paho
import pytest

import avadclip.apps.live.sinks.mqtt
from avadclip.apps.live.config import MqttConfig
from avadclip.apps.live.delivery import Delivery
from avadclip.apps.live.ledger import Ledger
from avadclip.apps.live.messages import EventMessage, LiveEvent, ScoreMessage, StatusMessage
from avadclip.apps.live.sinks.mqtt import MqttSink

PATIENCE = 30.0
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")

pytestmark = pytest.mark.system


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Broker:
    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\nuser root\n"
        )
        self._process = None

    def start(self):
        command = [MOSQUITTO, "-c", str(self._config)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def answers():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until(answers)

    def stop(self):
        self._process.terminate()
        self._process.wait(PATIENCE)


class Subscriber:
    """Keeps a session at the broker, as a receiver that must miss nothing does."""

    def __init__(self, broker, topic):
        self.taken = []
        self.subscribed = threading.Event()
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id=f"test-{topic[:3]}", clean_session=False, manual_ack=True
        )
        self.client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = self._take
        self.client.reconnect_delay_set(1, 1)
        self.client.connect_async("127.0.0.1", broker.port)
        self.client.loop_start()
        assert self.subscribed.wait(PATIENCE)

    def _take(self, client, _userdata, message):
        client.ack(message.mid, message.qos)  # before it counts as taken; see settle
        self.taken.append((message.topic, message.payload.decode("latin-1")))

    def settle(self):
        """Wait until the broker knows what was taken: it reads a connection in order. Else it would send it again."""
        self.client.publish("test/settled", qos=1).wait_for_publish(PATIENCE)

    def payloads(self, topic):
        return [payload for name, payload in self.taken if name == topic]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def broker(tmp_path):
    if MOSQUITTO is None:
        pytest.skip("mosquitto is missing; run `make setup-system`")
    made = Broker(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def subscriber(broker):
    made = Subscriber(broker, "#")
    yield made
    made.close()


@pytest.fixture
def make_sink(broker):
    sinks = []

    def make(**options):
        sink = MqttSink(MqttConfig(host="127.0.0.1", port=broker.port, prefix="site/avadclip", **options), ["yard"])
        sink.start()
        sinks.append(sink)
        return sink

    yield make
    for sink in sinks:
        sink.close()


def message(number, kind="update", event="yard-1"):
    after = LiveEvent(
        id=event, source="yard", label="fighting", score=0.5, start=1.0, end=None, severity="alert",
        modality="visual", model="tiny", threshold=0.5, sound_gain=None,
    )  # fmt: skip
    return EventMessage(type=kind, id=f"{event}.{number}", before=None, after=after)


def test_each_event_message_arrives_once_also_across_a_broker_restart(broker, subscriber, make_sink, tmp_path) -> None:
    ledger, sink = Ledger(tmp_path / "state"), make_sink()
    delivery = Delivery(sink, ledger, tmp_path / "undelivered.jsonl")
    delivery.start()

    def publish(numbers):
        for number in numbers:
            ledger.record(message(number), [sink.name])
            delivery.notify()

    def ids():
        return [json.loads(payload)["id"] for payload in subscriber.payloads("site/avadclip/events")]

    publish(range(10))
    wait_until(lambda: len(ids()) == 10 and ledger.count_waiting(sink.name) == 0)
    subscriber.settle()
    broker.stop()
    publish(range(10, 20))
    assert ledger.count_waiting(sink.name) > 0
    broker.start()
    wait_until(lambda: ledger.count_waiting(sink.name) == 0)
    publish(range(20, 25))
    wait_until(lambda: len(set(ids())) == 25)
    delivery.finish(PATIENCE)
    ledger.close()
    assert ids() == [f"yard-1.{number}" for number in range(25)]  # none lost, none twice, in order


def test_a_message_that_was_not_acknowledged_stays_for_the_next_start(broker, make_sink, tmp_path) -> None:
    broker.stop()
    ledger, sink = Ledger(tmp_path / "state"), make_sink()
    ledger.record(message(0), [sink.name])
    stopping = threading.Event()
    stopping.set()
    assert not sink.deliver(ledger.next_waiting(sink.name), stopping)
    assert ledger.count_waiting(sink.name) == 1
    ledger.close()
    broker.start()


def test_events_go_out_again_after_pahos_thread_died(broker, make_sink, tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(avadclip.apps.live.sinks.mqtt, "WARN_SECONDS", 0.5)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    greet, errors = MqttSink._greet, [RuntimeError("made up")]
    monkeypatch.setattr(MqttSink, "_greet", lambda *given: _raise(errors.pop()) if errors else greet(*given))
    ledger, sink = Ledger(tmp_path / "state"), make_sink()
    ledger.record(message(0), [sink.name])
    assert sink.deliver(ledger.next_waiting(sink.name), threading.Event())
    assert "mqtt: 127.0.0.1 confirms no events (" in caplog.text
    ledger.close()


def _raise(error):
    raise error


def test_availability_is_retained_and_the_last_will_says_offline(broker, subscriber, make_sink) -> None:
    sink = make_sink()
    topic = "site/avadclip/available"
    wait_until(lambda: subscriber.payloads(topic) == ["online"])
    # A connection that breaks without goodbye, as when the machine loses its power.
    sink._client._reconnect_min_delay = sink._client._reconnect_max_delay = 3600
    sink._client.socket().shutdown(socket.SHUT_RDWR)
    wait_until(lambda: subscriber.payloads(topic) == ["online", "offline"])
    late = Subscriber(broker, topic)
    wait_until(lambda: late.payloads(topic) == ["offline"])
    late.close()


def test_states_are_retained_and_published_for_home_assistant(broker, subscriber, make_sink) -> None:
    sink = make_sink(home_assistant=True)
    wait_until(lambda: subscriber.payloads("site/avadclip/available") == ["online"])
    wait_until(lambda: subscriber.payloads("site/avadclip/yard/anomaly") == ["OFF"])
    sink.send(StatusMessage(camera="yard", time=1.0, state="online", reason="640x360, sound"))
    sink.send(message(0, "new"))
    sink.send(message(0, "new", "yard.glass-1"))
    sink.send(message(1, "end"))  # the other event is still open
    sink.send(message(1, "end", "yard.glass-1"))
    wait_until(lambda: subscriber.payloads("site/avadclip/yard/anomaly") == ["OFF", "ON", "ON", "ON", "OFF"])
    late = Subscriber(broker, "homeassistant/#")
    wait_until(lambda: len(late.taken) == 4)
    late.close()
    announced = {topic: json.loads(payload) for topic, payload in late.taken}
    anomaly = announced["homeassistant/binary_sensor/site-avadclip-yard/anomaly/config"]
    assert anomaly["state_topic"] == "site/avadclip/yard/anomaly"
    assert anomaly["availability_topic"] == "site/avadclip/available"
    status = announced["homeassistant/binary_sensor/site-avadclip-yard/camera/config"]
    (payload,) = subscriber.payloads(status["state_topic"])
    assert json.loads(payload)["state"] == "online"


def test_the_picture_of_the_last_event_is_retained(broker, subscriber, make_sink, tmp_path) -> None:
    sink, picture = make_sink(), tmp_path / "yard-1.jpg"
    picture.write_bytes(b"\xff\xd8 first")
    new = message(0, "new")
    shown = new.model_copy(update={"after": new.after.model_copy(update={"picture": str(picture)})})
    wait_until(lambda: subscriber.payloads("site/avadclip/available") == ["online"])
    sink.send(shown)
    picture.write_bytes(b"\xff\xd8 second")
    sink.send(shown)
    picture.unlink()  # to make room
    sink.send(shown)
    topic = "site/avadclip/yard/picture"
    late = Subscriber(broker, topic)
    wait_until(lambda: late.taken == [(topic, "\xff\xd8 second")])
    late.close()


def test_the_highest_score_of_every_ten_seconds_is_published_for_home_assistant(
    broker, subscriber, make_sink, monkeypatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("avadclip.apps.live.sinks.mqtt.time.monotonic", lambda: now[0])
    sink, topic = make_sink(home_assistant=True), "site/avadclip/yard/score"
    wait_until(lambda: subscriber.payloads("site/avadclip/available") == ["online"])
    for seconds, score in [(0, 0.1), (1, 0.9), (2, 0.3), (9.9, 0.2), (10, 0.4), (20, 0.05)]:
        now[0] = 1000.0 + seconds
        sink.send(ScoreMessage(camera="yard", start=0, end=1, score=score, network="teacher", delay_seconds=0))
    wait_until(lambda: subscriber.payloads(topic) == ["0.1000", "0.9000", "0.0500"])
