"""What clients send and get of verdicts."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from avadclip.apps.live.config import CameraName
from avadclip.apps.service.schemas import JobId
from avadclip.labels import VerdictWord, check_verdict, class_name

ClassText = Annotated[str, AfterValidator(class_name), Field(min_length=1, max_length=100)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid", allow_inf_nan=False)


class GivenVerdict(_Body):
    """A verdict on an event."""

    verdict: Literal["real", "false alarm", "wrong class"]
    correct_label: ClassText | None = None
    """The right class of `wrong class`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_verdict(self.verdict, None, self.correct_label)
        return self


class MissedSpan(_Body):
    """A stretch in which something happened that no event reports: of a job's video, or of a camera."""

    job: JobId | None = None
    camera: CameraName | None = None
    start: float = Field(ge=0)
    """Seconds from the video's start; of a camera, Unix seconds."""
    end: float = Field(ge=0)
    label: ClassText
    """What it is."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.job is None) == (self.camera is None):
            raise ValueError("give either `job` or `camera`")
        if self.end <= self.start:
            raise ValueError(f"`end` is {self.end}; needed a time after `start`, {self.start}")
        return self


class StoredVerdict(_Body):
    """A verdict and what it is about."""

    id: str
    verdict: VerdictWord
    correct_label: str | None
    """The right class of `wrong class`, the class of `missed`."""
    job_id: str | None
    """None of a camera."""
    event_id: str | None
    """None of a missed one."""
    source: str
    """The video's or the camera's name."""
    start: float
    """Seconds from the video's start; of a camera, Unix seconds."""
    end: float | None
    label: str | None
    """The event's class."""
    score: float | None
    judged_by: str
    """Name of the token."""
    judged_at: float
    """Unix seconds."""


class VerdictQuery(_Body):
    """Which verdicts to list."""

    job: JobId | None = None
    camera: CameraName | None = None
    verdict: VerdictWord | None = None
    limit: int = Field(100, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=10**9)
