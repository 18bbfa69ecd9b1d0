"""The messages of a watch: events, the cameras' states, scores and statistics, as JSON for every sink."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from avadclip.events import BaseEvent, NamedSound

_NAMES = {"snapshot": "picture"}  # of keys in messages of 0.1.0, which a ledger may still hold
CameraState = Literal["connecting", "online", "offline", "finished"]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> str:
        """One line."""
        return self.model_dump_json()


class LiveEvent(_Message, BaseEvent):
    """An event of a camera, as far as it is known. Times are Unix seconds.

    The id is the camera's name, of a sound event also the label, and the start in Unix milliseconds, the same after a
    restart. The end is None while the event goes on.
    """

    threshold: float
    """As configured or in the checkpoint, not rounded."""
    picture: str | None = None
    """Path of the JPEG of the highest-scored snippet so far; None where none was written."""
    picture_link: str | None = None
    """Its address at `avadclip serve`; None without `[service]`."""

    @model_validator(mode="before")
    @classmethod
    def _of_version_0_1_0(cls, values: Any) -> Any:
        """Give the key `snapshot` of 0.1.0 its present name."""
        return {_NAMES.get(key, key): value for key, value in values.items()} if isinstance(values, dict) else values


class EventMessage(_Message):
    """An event began, changed or ended."""

    type: Literal["new", "update", "end"]
    id: str
    """`<event id>.<number>`: the same in every attempt to deliver it."""
    before: LiveEvent | None
    """As the message before this one had it; None in the first."""
    after: LiveEvent
    note: str | None = None
    """Why an event ended, where not because it grew quiet, and that its recording failed. After a restart of avadclip
    the end stays None."""

    @property
    def number(self) -> int:
        """Of this message among those about its event, from 0."""
        return int(self.id.rpartition(".")[2])


class StatusMessage(_Message):
    """A camera came, went, or is scored by another network."""

    type: Literal["status"] = "status"
    camera: str
    time: float
    state: CameraState
    reason: str
    """One phrase: what happened, or why this network scores."""
    network: str | None = None
    """teacher, visual student, audio student; None where nothing is scored."""
    undelivered: int = 0
    """Messages about events, of all cameras, that wait for a sink."""


class ScoreMessage(_Message):
    """One snippet's score; sent only on request."""

    type: Literal["score"] = "score"
    camera: str
    start: float
    end: float
    score: float
    network: str
    delay_seconds: float
    """From the snippet's end, on this machine's clock, to this score."""
    sounds: tuple[NamedSound, ...] = ()
    """The sounds recognised in the snippet, the most probable first."""


class CameraStats(_Message):
    """Counts since the start."""

    snippets: int
    dropped_frames: int
    """Left out because the model could not keep up."""
    dropped_seconds: float
    """The same, as length of video."""
    starts: int
    """How often the camera's process was started."""
    events: int
    unsent_events: int
    """By cooldown or schedule."""
    failed_recordings: int
    encoded_share: float = 1.0
    """Share of the frames that were encoded; below 1 with `skip_still`."""


class SinkStats(_Message):
    """Messages about events that a sink has not delivered."""

    waiting: int
    """To be sent again."""
    given_up: int
    """Since the start; they are in the file of undelivered messages."""
    last_error: str | None = None
    """Why the last attempt failed; None where it succeeded. MQTT and a store wait instead of failing."""


class StatsMessage(_Message):
    """How the watch is doing."""

    type: Literal["stats"] = "stats"
    time: float
    memory_bytes: int
    """Resident, of this process without the cameras' own."""
    cameras: dict[str, CameraStats]
    sinks: dict[str, SinkStats]
    """By `webhook`, `mqtt`, `store`, `notice NAME` and the names of plug-ins."""


Message = EventMessage | StatusMessage | ScoreMessage | StatsMessage
