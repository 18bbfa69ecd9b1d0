"""Configuration file (TOML) of `avadclip watch`: model, cameras and sinks."""

import base64
import binascii
import re
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from avadclip.apps.live.schedule import Period, Schedule, parse_schedule
from avadclip.apps.live.sinks.notice_config import NoticeConfig
from avadclip.config import SECRET_ERROR, FrozenConfig
from avadclip.events import EventRules

CameraName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""Part of event ids, file names and MQTT topics."""
Score = Annotated[float, Field(ge=0.0, le=1.0)]
Probability = Annotated[float, Field(gt=0.0, le=1.0)]


def _check_host(host: str) -> str:
    """Refuse what no name server is ever asked for: a part of the name that is empty or too long."""
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise PydanticCustomError("host", "needed a host name whose parts have 1 to 63 characters") from error
    return host


def _check_bare_host(host: str) -> str:
    try:
        return str(IPv6Address(host))
    except ValueError:
        if any(character in "/:@[]?#" or character.isspace() or not character.isprintable() for character in host):
            kind = SECRET_ERROR if "@" in host else "host"
            raise PydanticCustomError(kind, "needed a host name or address alone; `port` is another key") from None
    return _check_host(host)


def _check_no_password(url: Any) -> Any:
    if "@" in re.split(r"[/?#]", str(url).partition("://")[2])[0]:
        raise PydanticCustomError(SECRET_ERROR, "needed a URL without user and password, which are not sent")
    return url


class ScoringConfig(FrozenConfig):
    """Context of a snippet's score. The checkpoint fixes the snippet length, usually 0.67 s."""

    window_snippets: int = Field(64, ge=1, le=256)
    """Past snippets in one forward pass, including the scored one."""
    latency_snippets: int = Field(0, ge=0, le=64)
    """Future snippets to wait for before scoring; 0 is strictly causal."""

    @field_validator("latency_snippets")
    @classmethod
    def _lies_in_the_window(cls, latency_snippets: int, others: ValidationInfo) -> int:
        if latency_snippets >= others.data.get("window_snippets", 256):
            raise PydanticCustomError("latency", "needed less than `window_snippets`")
        return latency_snippets


class CameraConfig(FrozenConfig):
    """One camera and its rules."""

    source: str = Field(min_length=1)
    """rtsp://, rtsps://, http:// or https:// address (HLS too), /dev/video0, or a video file, played at real speed."""
    sound: bool = True
    """False: the camera's audio is not read, and the visual student scores."""
    sounds: dict[str, Probability | None] | None = None
    """Sounds that raise events of their own, with the probability from which they do; by default the audio tagger's
    own set. False: sounds are not named."""
    threshold: Score | None = None
    """Score threshold of events; by default the checkpoint's for the network in use."""
    alert: Score | None = None
    """Score threshold of alerts; by default the checkpoint's."""
    min_seconds: float = Field(EventRules.min_seconds, ge=0.0)
    """Shortest event; it is reported once it has lasted this long."""
    merge_gap_seconds: float = Field(EventRules.merge_gap_seconds, ge=0.0)
    """An event ends after this long below the threshold."""
    cooldown_seconds: float = Field(0.0, ge=0.0)
    """Events that begin within this time after an event are counted but not sent."""
    schedule: Schedule = ()
    """When events are sent, e.g. "mon-fri 22:00-06:00" or "sun", in the camera's time zone; empty: always."""
    time_zone: str | None = None
    """Of the schedules, such as "Europe/Berlin"; by default this machine's local time."""
    queue_seconds: float = Field(5.0, gt=0.0, le=60.0)
    """Length of video that may wait for the model; beyond it the oldest is dropped and counted."""
    watchdog_seconds: float = Field(20.0, ge=2.0)
    """The camera's process is restarted after this long without a snippet."""
    speed: float = Field(1.0, gt=0.0, le=100.0)
    """Playback speed of files."""

    @field_validator("sounds", mode="before")
    @classmethod
    def _false_is_none(cls, sounds: Any) -> Any:
        return {} if sounds is False else sounds

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, time_zone: str | None) -> str | None:
        try:
            return time_zone and ZoneInfo(time_zone).key
        except (KeyError, OSError, ValueError) as error:
            raise PydanticCustomError("time_zone", "needed a name such as `Europe/Berlin`") from error

    @property
    def zone(self) -> ZoneInfo | None:
        """The time zone; None: this machine's."""
        return None if self.time_zone is None else ZoneInfo(self.time_zone)

    @property
    def names_sounds(self) -> bool:
        """Whether sounds are named."""
        return self.sound and self.sounds != {}

    @property
    def rules(self) -> EventRules:
        """How scores become events."""
        return EventRules(self.threshold, self.min_seconds, self.merge_gap_seconds)

    @property
    def periods(self) -> tuple[Period, ...]:
        """The parsed schedule."""
        return parse_schedule(self.schedule)


class WebhookConfig(FrozenConfig):
    """Webhook for events, by the Standard Webhooks specification."""

    url: Annotated[AnyHttpUrl, BeforeValidator(_check_no_password)]
    """http:// or https:// URL, which may hold any letters; redirects are not followed."""
    secret: SecretStr
    """`whsec_` and base64 of 24 to 64 bytes, shared with the receiver."""

    @field_validator("url")
    @classmethod
    def _can_be_reached(cls, url: AnyHttpUrl) -> AnyHttpUrl:
        _check_host(url.host or "")
        if url.port == 0:
            raise PydanticCustomError("port", "needed a port from 1 to 65535")
        return url

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


class MqttConfig(FrozenConfig):
    """Broker and topics."""

    host: Annotated[str, AfterValidator(_check_bare_host)] = Field(min_length=1)
    """Host name or address of the broker."""
    port: int = Field(1883, ge=1, le=65535)
    prefix: str = Field("avadclip", pattern=r"^[^$+#\s/\pC][^+#\s/\pC]*(/[^+#\s/\pC]+)*$", max_length=200)
    """Prefix of every topic, and the client id at the broker; `$` begins the broker's own topics."""
    username: str | None = None
    password: SecretStr | None = None
    tls: bool = False
    """Use TLS, and verify the broker's certificate with the system's authorities."""
    home_assistant: bool = False
    """Announce every camera to Home Assistant."""


class StoreConfig(FrozenConfig):
    """Database of `avadclip serve`, which lists the events stored there."""

    database: SecretStr | None = None
    """URL as for `avadclip serve --database`, or sqlite:///FILE; by default the SQLite file in `data`."""
    data: Path | None = None
    """The service's folder, as for `avadclip serve --data`; by default, and without `database`, the current user's."""

    @property
    def has_folder(self) -> bool:
        """Whether the service's folder is known, for pictures of the cameras."""
        return self.data is not None or self.database is None


class RecordingConfig(FrozenConfig):
    """Recordings of events: the camera's own packets, copied into Matroska files without re-encoding."""

    folder: Path
    """One file per event, `<event id>.mkv`."""
    pre_seconds: float = Field(5.0, ge=0.0, le=60.0)
    """Length before the event; the file begins with the preceding key frame."""
    post_seconds: float = Field(5.0, ge=0.0, le=60.0)
    """Length after the event."""
    max_seconds: float = Field(600.0, gt=0.0)
    """Longest recording of an event."""
    max_gigabytes: float = Field(10.0, gt=0.0)
    """Limit of all recordings in the folder; the oldest are deleted."""
    retention_days: float = Field(30.0, ge=0.0)
    """Recordings are deleted after this time; 0 keeps them."""


class ServiceConfig(FrozenConfig):
    """Where `avadclip serve` shows the events of the store."""

    address: Annotated[AnyHttpUrl, BeforeValidator(_check_no_password)]
    """http:// or https:// address, as those reach it who follow a link to a picture."""

    @property
    def root(self) -> str:
        """The address without the slash at its end."""
        return str(self.address).rstrip("/")


class WatchConfig(FrozenConfig):
    """Everything."""

    model: str = "starter"
    """A checkpoint file or `starter`."""
    network: str | None = None
    """As for `--network`; by default the checkpoint's own choice."""
    encoders: str | None = None
    """As for `--encoders`; by default those of the model."""
    device: str = "auto"
    """As for `--device`."""
    skip_still: bool = False
    """As for `--skip-still`: a picture that looks like the last encoded one takes its features."""
    stats_seconds: float = Field(60.0, gt=0.0)
    """Interval of statistics messages."""
    scoring: ScoringConfig = ScoringConfig()
    cameras: dict[CameraName, CameraConfig] = Field(min_length=1)
    """One table per camera, `[cameras.<name>]`."""
    webhook: WebhookConfig | None = None
    mqtt: MqttConfig | None = None
    store: StoreConfig | None = None
    recording: RecordingConfig | None = None
    service: ServiceConfig | None = None
    notice: tuple[NoticeConfig, ...] = ()
    """One table per address, `[[notice]]`."""
    sinks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings of sinks that plug-ins bring, one table per sink, `[sinks.<name>]`."""
    state: Path | None = Field(None, validate_default=True)
    """Folder for open events and undelivered messages; needed with any sink."""

    @field_validator("notice", mode="before")
    @classmethod
    def _are_tables(cls, notice: Any) -> Any:
        if not isinstance(notice, list | tuple) or not all(isinstance(each, dict | NoticeConfig) for each in notice):
            raise PydanticCustomError(SECRET_ERROR, "needed tables `[[notice]]`, each with one `url`")
        return notice

    @field_validator("sinks", mode="before")
    @classmethod
    def _have_tables(cls, sinks: Any) -> Any:
        if not isinstance(sinks, dict) or not all(isinstance(each, dict) for each in sinks.values()):
            raise PydanticCustomError(SECRET_ERROR, "needed a table `[sinks.<name>]` for each sink")
        return sinks

    @field_validator("notice")
    @classmethod
    def _notices_are_clear(cls, notice: tuple[NoticeConfig, ...], others: ValidationInfo) -> tuple[NoticeConfig, ...]:
        names = [each.name for each in notice]
        if len(set(names)) < len(names):
            raise PydanticCustomError(SECRET_ERROR, "needed tables with different names")
        cameras = others.data.get("cameras", {})
        unknown = [camera for each in notice for camera in each.cameras if camera not in cameras]
        if cameras and unknown:
            raise PydanticCustomError(SECRET_ERROR, f"needed cameras of this file, not `{unknown[0]}`")
        return notice

    @field_validator("state")
    @classmethod
    def _deliveries_are_remembered(cls, state: Path | None, others: ValidationInfo) -> Path | None:
        if state is None and any(others.data.get(sink) for sink in ("webhook", "mqtt", "notice", "store", "sinks")):
            raise PydanticCustomError(
                "state", "needed `state = FOLDER`, which stores messages until they are delivered"
            )
        return state

    @property
    def kept(self) -> RecordingConfig | None:
        """Folder and limits of recordings and pictures; without `[recording]`, of the pictures in the state folder."""
        if self.recording is None and self.state is not None:
            return RecordingConfig(folder=self.state / "pictures")
        return self.recording
