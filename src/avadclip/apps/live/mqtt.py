"""Events, states and statistics to an MQTT broker, and on request to Home Assistant through it."""

import json
import threading
from collections.abc import Iterable

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from avadclip.apps.live.config import MqttConfig
from avadclip.apps.live.ledger import Waiting
from avadclip.apps.live.messages import EventMessage, Message, StatsMessage, StatusMessage

POLL_SECONDS = 0.25  # how soon a stop is noticed
RECONNECT_SECONDS = (1, 30)


class MqttSink:
    """One connection to the broker; paho keeps it up in a thread of its own.

    Topics below the prefix: `available` (retained, `offline` as last will), `events`, `<camera>/status` (retained),
    `stats`; with Home Assistant also `<camera>/anomaly` (retained, ON while an event is open).

    Events go out with QoS 1 and are kept in the ledger until the broker has acknowledged them. Where the broker goes
    away in between, the same packet is sent again, marked as such; a receiver drops doubles by the message's id.
    """

    name = "mqtt"

    def __init__(self, config: MqttConfig, cameras: Iterable[str]) -> None:
        self._config = config
        self._cameras = tuple(cameras)
        anomalies = [self._topic(camera, "anomaly") for camera in self._cameras if config.home_assistant]
        self._retained = dict.fromkeys(anomalies, "OFF")  # said at every connection: a broker may forget
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=config.prefix.replace("/", "-"))
        if config.username is not None:
            password = None if config.password is None else config.password.get_secret_value()
            self._client.username_pw_set(config.username, password)
        if config.tls:
            self._client.tls_set()
        self._client.will_set(self._topic("available"), "offline", qos=1, retain=True)
        self._client.reconnect_delay_set(*RECONNECT_SECONDS)
        self._client.on_connect = self._say_hello
        self._client.on_publish = self._note_acknowledgement
        self._acknowledged: set[int] = set()  # packets, since the last event was handed to paho
        self._answered = threading.Condition()

    def start(self) -> None:
        """Connect, now or as soon as the broker answers."""
        self._client.connect_async(self._config.host, self._config.port, keepalive=30)
        self._client.loop_start()

    def stop(self) -> None:
        """Say goodbye: a broker sends the last will only where a client vanishes."""
        if self._client.is_connected():
            self._client.publish(self._topic("available"), "offline", qos=1, retain=True).wait_for_publish(2.0)
        self._client.disconnect()
        self._client.loop_stop()

    def deliver(self, message: Waiting, stopping: threading.Event) -> bool:
        """See delivery.Deliverer; waits for the broker however long it is away."""
        self._acknowledged.clear()
        # Without a connection paho keeps the packet, and sends it once there is one: to publish again would double it.
        packet = self._client.publish(self._topic("events"), message.body, qos=1).mid
        with self._answered:
            while not self._answered.wait_for(lambda: packet in self._acknowledged, POLL_SECONDS):
                if stopping.is_set():
                    return False
        return True

    def send(self, message: Message) -> None:
        """States and statistics: only the latest counts, nothing is kept."""
        if isinstance(message, StatusMessage):
            self._retain(self._topic(message.camera, "status"), message.to_json())
        elif isinstance(message, StatsMessage):
            self._client.publish(self._topic("stats"), message.to_json(), qos=0)
        elif isinstance(message, EventMessage) and self._config.home_assistant:
            self._retain(self._topic(message.after.source, "anomaly"), "OFF" if message.type == "end" else "ON")

    def _topic(self, *parts: str) -> str:
        return "/".join((self._config.prefix, *parts))

    def _retain(self, topic: str, payload: str) -> None:
        self._retained[topic] = payload
        if self._client.is_connected():
            self._client.publish(topic, payload, qos=1, retain=True)

    def _note_acknowledgement(self, _client: paho.Client, _userdata: object, packet: int, *_: object) -> None:
        with self._answered:
            self._acknowledged.add(packet)
            self._answered.notify_all()

    def _say_hello(self, client: paho.Client, *_: object) -> None:
        announced = self._announcements() if self._config.home_assistant else {}
        hello = {self._topic("available"): "online", **announced, **self._retained}
        for topic, payload in hello.items():
            client.publish(topic, payload, qos=1, retain=True)

    def _announcements(self) -> dict[str, str]:
        """Home Assistant's MQTT discovery: per camera, whether an event is open and whether the camera is there."""
        announced = {}
        for camera in self._cameras:
            node = f"{self._config.prefix.replace('/', '-')}-{camera}"
            shared = {
                "availability_topic": self._topic("available"),
                "device": {"identifiers": [node], "name": camera, "manufacturer": "avadclip"},
            }
            anomaly = {
                "name": "Anomaly",
                "unique_id": f"{node}-anomaly",
                "state_topic": self._topic(camera, "anomaly"),
                "device_class": "safety",
            }
            status = {
                "name": "Camera",
                "unique_id": f"{node}-camera",
                "state_topic": self._topic(camera, "status"),
                "value_template": "{{ 'ON' if value_json.state == 'online' else 'OFF' }}",
                "device_class": "connectivity",
            }
            for kind, entity in {"anomaly": anomaly, "camera": status}.items():
                announced[f"homeassistant/binary_sensor/{node}/{kind}/config"] = json.dumps(entity | shared)
        return announced
