"""Pictures of cameras' events, as the watch wrote them."""

from contextlib import suppress
from pathlib import Path

from avadclip.apps.service.schemas import StoredLiveEvent
from avadclip.apps.service.settings import ServiceSettings


def read_picture(settings: ServiceSettings, event: StoredLiveEvent) -> bytes | None:
    """The event's JPEG, whole; None where there is none any more, or not in the data folder or an allowed one."""
    if event.picture is None:
        return None
    with suppress(OSError, ValueError, RuntimeError):  # it was deleted; no path of this system; a loop of links
        path = Path(event.picture).resolve()
        folders = (settings.data.resolve(), *settings.folders)
        if path.suffix == ".jpg" and any(path.is_relative_to(folder) for folder in folders):
            return path.read_bytes()
    return None
