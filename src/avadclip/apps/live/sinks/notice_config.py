"""The `[[notice]]` tables of a watch's configuration."""

from typing import Any

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from avadclip.apps.live.schedule import Period, Schedule, parse_schedule
from avadclip.config import SECRET_ERROR, FrozenConfig


class NoticeConfig(FrozenConfig):
    """Notices to one Apprise address: one per event, when it begins."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """In logs and statistics; what waits for delivery waits under this name, also after a restart."""
    url: SecretStr
    """Apprise URL (https://appriseit.com), such as `ntfy://TOPIC`; it is never shown."""
    cameras: tuple[str, ...] = ()
    """Whose events; empty: all cameras'."""
    cooldown_seconds: float = Field(60.0, ge=0.0)
    """Per camera: events that begin within this time after the last notice's are counted, and named in the next one."""
    schedule: Schedule = ()
    """As of a camera, in its time zone; events that begin outside are not noticed. Empty: always."""

    @field_validator("url", mode="before")
    @classmethod
    def _is_one_address(cls, url: Any) -> Any:
        if not isinstance(url, str | SecretStr):
            raise PydanticCustomError(SECRET_ERROR, "needed one address; another one gets a table of its own")
        return url

    @property
    def periods(self) -> tuple[Period, ...]:
        """The parsed schedule."""
        return parse_schedule(self.schedule)

    @property
    def sink(self) -> str:
        """Name of the sink."""
        return f"notice {self.name}"
