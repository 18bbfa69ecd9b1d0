"""What a watch says: events, the cameras' states, scores and statistics, as JSON for every sink."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from avadclip.events import Modality, Severity

CameraState = Literal["connecting", "online", "offline", "finished"]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> str:
        """One line."""
        return self.model_dump_json()


class LiveEvent(_Message):
    """An event as far as it is known. Fields as in `events.Event`; times are unix seconds."""

    id: str
    """Camera and start in unix milliseconds: the same after a restart."""
    source: str
    """The camera's name."""
    label: str
    score: float
    start: float
    end: float | None
    """None while the event goes on."""
    severity: Severity
    modality: Modality
    model: str
    threshold: float
    sound_gain: float | None
    snapshot: str | None = None


class EventMessage(_Message):
    """An event began, changed or ended."""

    type: Literal["new", "update", "end"]
    id: str
    """`<event id>.<number>`: the same in every attempt to deliver it."""
    before: LiveEvent | None
    """As the message before this one had it; None in the first."""
    after: LiveEvent
    note: str | None = None
    """Why an event ended, where not because it grew quiet; after a restart of avadclip its end stays None."""

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


class ScoreMessage(_Message):
    """One snippet's score; sent only where asked for."""

    type: Literal["score"] = "score"
    camera: str
    start: float
    end: float
    score: float
    network: str
    delay_seconds: float
    """From the arrival of the snippet's last picture to this score."""


class CameraStats(_Message):
    """Counts since the start."""

    snippets: int
    dropped_frames: int
    """Left out because the model could not keep up."""
    starts: int
    """How often the camera's process was started."""
    events: int
    unsent_events: int
    """By cooldown or schedule."""


class StatsMessage(_Message):
    """How the watch is doing."""

    type: Literal["stats"] = "stats"
    time: float
    memory_bytes: int
    """Resident, of this process without the cameras' own."""
    cameras: dict[str, CameraStats]


Message = EventMessage | StatusMessage | ScoreMessage | StatsMessage
