"""What a watch writes of its cameras, and what the API answers about them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from avadclip.apps.live.messages import CameraState
from avadclip.apps.service.schemas import StoredLiveEvent
from avadclip.events import NamedSound

STALE_SECONDS = 30.0  # without a sign of life: six times the reporter's interval

ShownState = Literal["running", "reconnecting", "ended", "stale", "unknown"]
_SHOWN: dict[str, ShownState] = {
    "online": "running",
    "connecting": "reconnecting",
    "offline": "reconnecting",
    "finished": "ended",
    "stopped": "ended",
}


class _CameraModel(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid")


class CameraStatus(_CameraModel):
    """A camera's row of the store, which its watch writes every few seconds. Times are Unix seconds."""

    name: str
    written_at: float
    state: CameraState | Literal["stopped"]
    """As in the watch's last message about it; `stopped` once the watch has ended."""
    reason: str
    """One phrase: what happened, or why this network scores."""
    network: str | None
    dropped_seconds: float
    """Length of video left out since the start of the watch because the model could not keep up."""
    picture_at: float | None
    """When the last picture was taken; None where there is none."""
    recordings: str | None
    """The watch's folder of recordings, on the server."""
    sounds: tuple[NamedSound, ...]
    """Named sounds of the last minutes, the newest first; a name is there once."""

    def shown_state(self, now: float) -> ShownState:
        """The state as of `now`, Unix seconds."""
        shown = _SHOWN[self.state]
        return "stale" if shown != "ended" and now - self.written_at > STALE_SECONDS else shown


class CameraScore(_CameraModel):
    """The highest score in a few seconds of a camera's video."""

    start: float
    score: float


class Camera(_CameraModel):
    """A camera as of now. Times are Unix seconds."""

    name: str
    state: ShownState
    """`stale`: its watch has not written for long, it may have been killed; `unknown`: only its events are known."""
    reason: str = ""
    network: str | None = None
    """Which network of the checkpoint scores it."""
    written_at: float | None = None
    picture_at: float | None = None
    dropped_seconds: float = Field(0.0)
    sounds: tuple[NamedSound, ...] = ()
    last_event: StoredLiveEvent | None = None


def shown_camera(name: str, status: CameraStatus | None, last_event: StoredLiveEvent | None, *, now: float) -> Camera:
    """What the API answers about a camera."""
    if status is None:
        return Camera(name=name, state="unknown", last_event=last_event)
    own = status.model_dump(include={"name", "reason", "network", "written_at", "picture_at", "dropped_seconds"})
    return Camera(**own, state=status.shown_state(now), sounds=status.sounds, last_event=last_event)
