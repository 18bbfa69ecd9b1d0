"""What becomes a notice: one per event that begins, by the notice's cameras, schedule and cooldown."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from avadclip.apps.live.config import CameraConfig
from avadclip.apps.live.ledger import Cooldown, PlannedNotice
from avadclip.apps.live.messages import EventMessage, LiveEvent
from avadclip.apps.live.schedule import is_due
from avadclip.apps.live.sinks.notice_config import NoticeConfig
from avadclip.report.words import printable


class Notice(BaseModel):
    """A notice as it waits in the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: LiveEvent
    local_time: str
    """When the event began, in the camera's time zone."""
    held_back: dict[str, int] = {}
    """Events by label since the notice before, that its cooldown kept back."""
    held_since: str | None = None
    """When the event of the notice before began, in the camera's time zone."""

    @property
    def title(self) -> str:
        """One line."""
        return printable(f"{self.event.source}: {self.event.label} ({self.event.severity})")

    @property
    def text(self) -> str:
        """Some lines of plain text."""
        lines = [f"{self.local_time}, score {self.event.score:.2f}"]
        if self.event.sounds:
            lines.append("Sounds: " + ", ".join(f"{sound.name} {sound.probability:.2f}" for sound in self.event.sounds))
        if self.held_back:
            labels = ", ".join(f"{label} {count}" for label, count in self.held_back.items())
            lines.append(f"Not sent since {self.held_since}: {sum(self.held_back.values())} ({labels})")
        if self.event.picture_link is not None:
            lines.append(self.event.picture_link)
        return "\n".join(printable(line) for line in lines)


class NoticePlan:
    """One `[[notice]]` table, as rules for the messages of a watch.

    Args:
        config: the table.
        cameras: all cameras of the watch.
    """

    def __init__(self, config: NoticeConfig, cameras: Mapping[str, CameraConfig]) -> None:
        self.sink = config.sink
        self._config = config
        self._cameras = {name: camera for name, camera in cameras.items() if name in (config.cameras or cameras)}

    def plan(self, message: EventMessage, last: Cooldown | None) -> PlannedNotice | None:
        """What a message comes to: a notice, or one more event held back; None if it is not for this table.

        Args:
            message: of the watch.
            last: this table's state for the camera; None before its first notice.
        """
        event = message.after
        camera = self._cameras.get(event.source)
        if message.type != "new" or camera is None:
            return None
        begun = datetime.fromtimestamp(event.start, camera.zone)
        if not is_due(self._config.periods, begun):
            return None
        # Negative: the clock was set back, and must not silence the camera until it is there again.
        if last is not None and 0 <= event.start - last.since < self._config.cooldown_seconds:
            held = {**last.held_back, event.label: last.held_back.get(event.label, 0) + 1}
            return PlannedNotice(self.sink, event.source, Cooldown(last.since, held), body=None)
        held = {} if last is None else last.held_back
        since = None if last is None else _shown(datetime.fromtimestamp(last.since, camera.zone))
        notice = Notice(event=event, local_time=_shown(begun), held_back=held, held_since=since)
        return PlannedNotice(self.sink, event.source, Cooldown(event.start, {}), notice.model_dump_json())


def _shown(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")
