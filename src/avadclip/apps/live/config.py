"""What `avadclip watch` reads from its TOML file: the model, the cameras, and where events go."""

import base64
import binascii
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from avadclip.apps.live.schedule import Period, parse_period
from avadclip.config import SECRET_ERROR, FrozenConfig
from avadclip.events import EventRules

CameraName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""Part of event ids, file names and MQTT topics."""
Score = Annotated[float, Field(ge=0.0, le=1.0)]


class ScoringConfig(FrozenConfig):
    """How much the model sees when it scores a snippet. The checkpoint fixes how long a snippet is, usually 0.67 s."""

    window_snippets: int = Field(64, ge=1, le=256)
    """Snippets of the past, the scored one included, in one forward pass."""
    latency_snippets: int = Field(0, ge=0, le=64)
    """Snippets of the future to wait for before a score is given; 0 is strictly causal."""

    @field_validator("latency_snippets")
    @classmethod
    def _lies_in_the_window(cls, latency_snippets: int, others: ValidationInfo) -> int:
        if latency_snippets >= others.data.get("window_snippets", 256):
            raise PydanticCustomError("latency", "needed less than `window_snippets`, which holds what is waited for")
        return latency_snippets


class CameraConfig(FrozenConfig):
    """One camera and its rules."""

    source: str = Field(min_length=1)
    """rtsp://, rtsps://, http:// or https:// address (HLS too), /dev/video0, or a video file, played at real speed."""
    sound: bool = True
    """Off: the camera's sound is not read, and the visual student scores."""
    threshold: Score | None = None
    """Score from which an event counts; by default the checkpoint's own for the network that scores."""
    alert: Score | None = None
    """Score from which an event is an alert; by default the checkpoint's own."""
    min_seconds: float = Field(EventRules.min_seconds, ge=0.0)
    """An event begins once it has lasted this long."""
    merge_gap_seconds: float = Field(EventRules.merge_gap_seconds, ge=0.0)
    """Quiet for this long ends an event."""
    cooldown_seconds: float = Field(0.0, ge=0.0)
    """After an event, others that begin within this time are counted and not sent."""
    schedule: tuple[str, ...] = ()
    """When events are sent, e.g. "mon-fri 22:00-06:00" or "sun", in this machine's local time; empty: always."""
    queue_seconds: float = Field(5.0, gt=0.0, le=60.0)
    """Video that may wait for the model; of more, the oldest is dropped and counted."""
    watchdog_seconds: float = Field(20.0, ge=2.0)
    """Without a snippet for this long, the camera's process is killed and started again."""
    speed: float = Field(1.0, gt=0.0, le=100.0)
    """For files: how fast they are played."""

    @field_validator("schedule")
    @classmethod
    def _periods_can_be_read(cls, schedule: tuple[str, ...]) -> tuple[str, ...]:
        for text in schedule:
            parse_period(text)
        return schedule

    @property
    def rules(self) -> EventRules:
        """How scores become events."""
        return EventRules(self.threshold, self.min_seconds, self.merge_gap_seconds)

    @property
    def periods(self) -> tuple[Period, ...]:
        """The schedule, read."""
        return tuple(parse_period(text) for text in self.schedule)


class WebhookConfig(FrozenConfig):
    """Where events are posted, by the Standard Webhooks scheme."""

    url: str = Field(pattern=r"^https?://[^\s]+$")
    """http:// or https:// address; redirects are not followed."""
    secret: SecretStr
    """`whsec_` and base64 of 24 to 64 bytes, shared with the receiver."""

    @field_validator("secret")
    @classmethod
    def _is_a_key(cls, secret: SecretStr) -> SecretStr:
        prefix, _, encoded = secret.get_secret_value().partition("_")
        try:
            length = len(base64.b64decode(encoded, validate=True))
        except binascii.Error:
            length = 0
        if prefix != "whsec" or not 24 <= length <= 64:
            raise PydanticCustomError(SECRET_ERROR, "needed `whsec_` and base64 of 24 to 64 random bytes")
        return secret

    @property
    def key(self) -> bytes:
        """The bytes to sign with."""
        return base64.b64decode(self.secret.get_secret_value().removeprefix("whsec_"))


class MqttConfig(FrozenConfig):
    """Broker and topics."""

    host: str = Field(min_length=1)
    """Name or address of the broker."""
    port: int = Field(1883, ge=1, le=65535)
    prefix: str = Field("avadclip", pattern=r"^[^+#\s/]+(/[^+#\s/]+)*$")
    """Begins every topic, and is the client's id at the broker."""
    username: str | None = None
    password: SecretStr | None = None
    tls: bool = False
    """Encrypt, and check the broker's certificate by the machine's own authorities."""
    home_assistant: bool = False
    """Announce every camera to Home Assistant."""


class StoreConfig(FrozenConfig):
    """The store of `avadclip serve`, which finds and shows the events that are kept in it."""

    database: SecretStr | None = None
    """As `avadclip serve --database` takes it, or sqlite:///FILE; by default the SQLite file in `data`."""
    data: Path | None = None
    """The service's folder, as `avadclip serve --data` takes it; by default this user's."""


class RecordingConfig(FrozenConfig):
    """Video kept around events: the camera's own packets, copied into Matroska files, not encoded again."""

    folder: Path
    """One file per event, `<event id>.mkv`."""
    pre_seconds: float = Field(5.0, ge=0.0, le=60.0)
    """Kept from before the event; the file begins with the key frame before that."""
    post_seconds: float = Field(5.0, ge=0.0, le=60.0)
    """Kept from after the event."""
    max_seconds: float = Field(600.0, gt=0.0)
    """A longer event's recording stops here."""
    max_gigabytes: float = Field(10.0, gt=0.0)
    """Of all recordings in the folder; the oldest are deleted."""
    retention_days: float = Field(30.0, ge=0.0)
    """Recordings are deleted this long after they were made; 0 keeps them."""


class WatchConfig(FrozenConfig):
    """Everything."""

    model: str = "starter"
    """A checkpoint file or `starter`."""
    encoders: str | None = None
    """As `--encoders` takes it; by default those of the model."""
    device: str = "cpu"
    stats_seconds: float = Field(60.0, gt=0.0)
    """How often statistics are sent."""
    scoring: ScoringConfig = ScoringConfig()
    cameras: dict[CameraName, CameraConfig] = Field(min_length=1)
    """One table per camera, `[cameras.<name>]`."""
    webhook: WebhookConfig | None = None
    mqtt: MqttConfig | None = None
    store: StoreConfig | None = None
    recording: RecordingConfig | None = None
    state: Path | None = Field(None, validate_default=True)
    """Folder that remembers open events and undelivered messages; needed with a webhook, MQTT or a store."""

    @field_validator("state")
    @classmethod
    def _deliveries_are_remembered(cls, state: Path | None, others: ValidationInfo) -> Path | None:
        if state is None and any(others.data.get(sink) for sink in ("webhook", "mqtt", "store")):
            raise PydanticCustomError("state", "needed `state = FOLDER`, where messages wait until they are delivered")
        return state
