"""What the service keeps and answers: jobs, events, audit entries. One set of models for store, API and page."""

from enum import StrEnum
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from avadclip.apps.live.config import CameraName
from avadclip.events import BaseEvent, EventKind, Severity
from avadclip.labels import VerdictWord

ItemT = TypeVar("ItemT")

JobId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class JobState(StrEnum):
    """State of a job; one that is being deleted is not listed."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DELETING = "deleting"


ENDED = (JobState.DONE, JobState.FAILED)


class Origin(StrEnum):
    """Where a job's video came from."""

    UPLOAD = "upload"
    FOLDER = "folder"
    URL = "url"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid")


class Job(_Model):
    """One video to score, or scored. Times are Unix seconds."""

    id: str
    name: str
    """The video, as the client named it."""
    origin: Origin
    path: str = Field(exclude=True)
    """The file on the server; not sent to clients."""
    size_bytes: int
    state: JobState
    requested_by: str
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    attempts: int = 0
    """Times the job was begun."""
    error: str | None = None
    """Why it failed, one line."""
    num_events: int | None = None
    peak_score: float | None = None
    duration_seconds: float | None = None
    """Length of the video."""
    network: str | None = None
    """Which network of the checkpoint scored the video."""
    progress: float | None = None
    """Share of the video that is scored, 0 to 1; only while it runs."""


class ListedJob(Job):
    """A job as lists have it."""

    picture: str | None = None
    """Address of the picture of its highest-scored event, for some hours; needs no token."""


class _Review(_Model):
    """Kept apart from the events: not a column of theirs."""

    verdict: VerdictWord | None = None
    """The verdict of a person; None: not reviewed."""
    correct_label: str | None = None
    """The right class of `wrong class`."""


REVIEW = tuple(_Review.model_fields)


class StoredEvent(_Review, BaseEvent):
    """One anomalous stretch of a job's video, half open [start, end), seconds from the video's start."""

    job_id: str
    source: str
    """The video's name."""
    end: float
    picture_gain: float | None


class StoredLiveEvent(_Review, BaseEvent):
    """An event of a camera, as far as it is known. Times are Unix seconds."""

    number: int = Field(exclude=True)
    """Number of the latest message about it, from 0."""
    source: str
    """The camera's name."""
    end: float | None
    """None while it goes on, and where it is not known: the watch was killed."""
    is_open: bool
    """Whether it continues, as of the latest message."""
    note: str | None
    """Why it ended, where not because it grew quiet."""
    picture: str | None = Field(None, exclude=True)
    """Path of its JPEG, as the watch wrote it; see `GET /api/live-events/EVENT/picture`."""
    has_picture: bool = False
    """Whether the service has a picture of it; see `POST /api/camera-link`."""
    has_recording: bool = False
    """Whether the service can play its recording."""


class AuditEntry(_Model):
    """One request and its outcome."""

    at: float
    who: str
    """Name of the token; `local` where the service has none."""
    address: str
    method: str
    path: str
    status: int
    job_id: str | None
    """The job it was about."""


class Page(_Model, Generic[ItemT]):
    """A part of a list."""

    items: list[ItemT]
    total: int
    """Length of the whole list."""


class FromFolder(_Model):
    """A job for a file in one of the service's allowed folders."""

    path: str = Field(min_length=1, max_length=4096)
    """Absolute, or relative to an allowed folder."""


class FromUrl(_Model):
    """A job for a video that the service fetches."""

    url: str = Field(min_length=1, max_length=4096)
    """http or https, a host that the operator allowed."""


class ResultLink(_Model):
    """Where a job's result page is, for some hours; needs no token."""

    href: str
    expires_at: float


class Version(_Model):
    """What is running."""

    version: str
    model: str
    is_demonstration: bool
    """Whether the model only shows how avadclip works."""
    has_folders: bool
    """Whether jobs may name files of folders on the server."""
    fetch_hosts: list[str]
    max_upload_bytes: int
    retention_days: float | None


class Problem(_Model):
    """An error, as RFC 9457 has it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    """One line: what was found, what was needed, what to do."""


class _Search(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid", allow_inf_nan=False)

    label: str | None = Field(None, pattern=r"^[^\x00]{1,100}$")
    """Class."""
    severity: Severity | None = None
    kind: EventKind | None = None
    """Events of the model, or of named sounds alone."""
    sound: str | None = Field(None, pattern=r"^[^\x00]{1,100}$")
    """Part of the name of a sound recognised during the event; case does not matter."""
    min_score: float = Field(0.0, ge=0.0, le=1.0)
    verdict: Literal["none", "real", "false alarm", "wrong class"] | None = None
    """Review state; `none`: not reviewed."""
    limit: int = Field(100, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=10**9)


class EventQuery(_Search):
    """Which events to list."""

    job: JobId | None = None
    since: float | None = None
    """Jobs made at this time or later, Unix seconds."""
    until: float | None = None
    """Jobs made before this time, Unix seconds."""
    from_seconds: float | None = Field(None, ge=0.0)
    """Events that end after this time of their video."""
    to_seconds: float | None = Field(None, ge=0.0)
    """Events that start before this time of their video."""


class LiveEventQuery(_Search):
    """Which events of cameras to list."""

    camera: CameraName | None = None
    since: float | None = None
    """Events that began at this time or later, Unix seconds."""
    until: float | None = None
    """Events that began before this time, Unix seconds."""
