"""Where cameras leave what they have, and the one scorer takes it: bounded, oldest snippets dropped and counted."""

import threading
from collections import Counter, deque
from typing import NamedTuple

from avadclip.apps.live.camera import Opened
from avadclip.apps.live.live_snippet import LiveSnippet


class Connecting(NamedTuple):
    """The camera's process was started."""


class Lost(NamedTuple):
    """The camera is away."""

    reason: str
    retry_seconds: float


class CameraFinished(NamedTuple):
    """A recording was played to its end."""

    reason: str


News = Connecting | Opened | LiveSnippet | Lost | CameraFinished


class Inbox:
    """First in, first out over all cameras; each has its own limit, so that a fast one crowds out no other."""

    def __init__(self) -> None:
        self.dropped_frames: Counter[str] = Counter()
        self._items: deque[tuple[str, News]] = deque()
        self._changed = threading.Condition()

    def put(self, camera: str, news: News, *, max_snippets: int) -> None:
        """Leave news; of more than `max_snippets` that wait, the camera's oldest snippet goes. Anything else stays."""
        with self._changed:
            self._items.append((camera, news))
            waiting = [item for item in self._items if item[0] == camera and isinstance(item[1], LiveSnippet)]
            if len(waiting) > max_snippets:
                self._drop(waiting[0])
            self._changed.notify()

    def get(self, timeout: float) -> tuple[str, News] | None:
        """The oldest news and whose they are; None where there are none for `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._items), timeout)
            return self._items.popleft() if self._items else None

    def _drop(self, item: tuple[str, News]) -> None:
        place = next(i for i, each in enumerate(self._items) if each is item)  # arrays have no simple `==`
        del self._items[place]
        camera, snippet = item
        assert isinstance(snippet, LiveSnippet)
        self.dropped_frames[camera] += len(snippet.frames)
