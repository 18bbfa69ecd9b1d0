"""MQTT sink of events, states and statistics, with optional Home Assistant discovery."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from avadclip.apps.live.config import MqttConfig
from avadclip.apps.live.delivery import Sink
from avadclip.apps.live.ledger import Waiting
from avadclip.apps.live.messages import EventMessage, Message, ScoreMessage, StatsMessage, StatusMessage
from avadclip.apps.live.sinks.home_assistant import discovery_messages

POLL_SECONDS = 0.25  # how soon a stop is noticed
RECONNECT_SECONDS = (1, 30)
SCORE_SECONDS = 10.0  # between two scores of a camera: the highest since the one before
WARN_SECONDS = 60.0  # without the broker's confirmation; then a line so often

log = logging.getLogger(__name__)


class MqttSink(Sink):
    """Connection to the broker, maintained by paho in its own thread.

    Topics below the prefix: `available` (retained, `offline` as last will), `events`, `<camera>/status` (retained),
    `stats`, `<camera>/picture` (retained, JPEG of the last event); with Home Assistant also `<camera>/anomaly`
    (retained, ON while an event is open) and `<camera>/score`.

    Events are sent with QoS 1 and stay in the ledger until the broker has acknowledged them. If the broker disconnects
    in between, the packet is sent again, marked as a duplicate; receivers can drop duplicates by the message's id.
    """

    name = "mqtt"
    settings = MqttConfig

    @classmethod
    def open(cls, settings: MqttConfig, cameras: Sequence[str]) -> Self:
        """See Sink.open; starts to connect."""
        sink = cls(settings, cameras)
        sink.start()
        return sink

    def __init__(self, config: MqttConfig, cameras: Iterable[str]) -> None:
        self._config = config
        self._cameras = tuple(cameras)
        anomalies = [self._topic(camera, "anomaly") for camera in self._cameras if config.home_assistant]
        self._retained: dict[str, str | bytes] = dict.fromkeys(
            anomalies, "OFF"
        )  # published at every connection, since a broker may lose retained messages
        self._open_events: defaultdict[str, set[str]] = defaultdict(set)  # by camera
        self._scores: dict[str, float] = {}  # by camera, the highest since the last published one
        self._next_score: dict[str, float] = {}  # monotonic time
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=config.prefix.replace("/", "-"))
        if config.username is not None:
            password = None if config.password is None else config.password.get_secret_value()
            self._client.username_pw_set(config.username, password)
        if config.tls:
            self._client.tls_set()
        self._client.will_set(self._topic("available"), "offline", qos=1, retain=True)
        self._client.reconnect_delay_set(*RECONNECT_SECONDS)
        self._refusal = "not reachable"
        self._client.on_connect = self._greet
        self._client.on_publish = self._add_acknowledgement
        self._acknowledged: set[int] = set()  # packet ids, since the last published event
        self._answered = threading.Condition()

    def start(self) -> None:
        """Connect, now or as soon as the broker is reachable."""
        self._client.connect_async(self._config.host, self._config.port, keepalive=30)
        self._client.loop_start()

    def close(self) -> None:
        """Publish `offline` and disconnect: the broker sends the last will only if a client vanishes."""
        if self._client.is_connected():
            self._client.publish(self._topic("available"), "offline", qos=1, retain=True).wait_for_publish(2.0)
        self._client.disconnect()
        self._client.loop_stop()

    def deliver(self, message: Waiting, stopping: threading.Event) -> bool:
        """See Sink.deliver; waits without limit while the broker is unreachable."""
        self._acknowledged.clear()
        # Without a connection paho queues the packet; publishing again would duplicate it.
        packet = self._client.publish(self._topic("events"), message.body, qos=1).mid
        warn_at = time.monotonic() + WARN_SECONDS
        with self._answered:
            while not self._answered.wait_for(lambda: packet in self._acknowledged, POLL_SECONDS):
                if stopping.is_set():
                    return False
                if time.monotonic() >= warn_at:
                    warn_at += WARN_SECONDS
                    self._client.loop_start()  # paho's thread again, should it have died; else nothing
                    state = "connected" if self._client.is_connected() else self._refusal
                    log.warning("mqtt: %s confirms no events (%s); they wait", self._config.host, state)
        return True

    def send(self, message: Message) -> None:
        """Publish a state or statistics; only the latest counts, so nothing is queued."""
        if isinstance(message, StatusMessage):
            self._retain(self._topic(message.camera, "status"), message.to_json())
        elif isinstance(message, StatsMessage):
            self._client.publish(self._topic("stats"), message.to_json(), qos=0)
        elif isinstance(message, EventMessage):
            self._show_picture(message)
            if self._config.home_assistant:
                self._show_anomaly(message)
        elif self._config.home_assistant:
            self._show_score(message)

    def _show_picture(self, message: EventMessage) -> None:
        if message.after.picture is not None:
            with suppress(OSError):  # it was deleted to make room
                self._retain(self._topic(message.after.source, "picture"), Path(message.after.picture).read_bytes())

    def _show_score(self, message: ScoreMessage) -> None:
        camera, now = message.camera, time.monotonic()
        highest = self._scores[camera] = max(message.score, self._scores.get(camera, 0.0))
        if now >= self._next_score.get(camera, 0.0) and self._client.is_connected():
            self._next_score[camera] = now + SCORE_SECONDS
            self._client.publish(self._topic(camera, "score"), f"{highest:.4f}", qos=0)
            del self._scores[camera]

    def _show_anomaly(self, message: EventMessage) -> None:
        camera, event = message.after.source, message.after.id
        open_events = self._open_events[camera]
        if message.type == "end":
            open_events.discard(event)
        else:
            open_events.add(event)
        self._retain(self._topic(camera, "anomaly"), "ON" if open_events else "OFF")

    def _topic(self, *parts: str) -> str:
        return "/".join((self._config.prefix, *parts))

    def _retain(self, topic: str, payload: str | bytes) -> None:
        self._retained[topic] = payload
        if self._client.is_connected():
            self._client.publish(topic, payload, qos=1, retain=True)

    def _add_acknowledgement(self, _client: paho.Client, _userdata: object, packet: int, *_: object) -> None:
        with self._answered:
            self._acknowledged.add(packet)
            self._answered.notify_all()

    def _greet(self, client: paho.Client, _userdata: object, _flags: object, code: ReasonCode, *_: object) -> None:
        """Publish what is retained, unless the broker refused the connection."""
        if code.is_failure:
            self._refusal = str(code)
            return
        announced = (
            discovery_messages(self._config.prefix, self._cameras, self._topic) if self._config.home_assistant else {}
        )
        hello: dict[str, str | bytes] = {self._topic("available"): "online", **announced, **self._retained}
        for topic, payload in hello.items():
            client.publish(topic, payload, qos=1, retain=True)
