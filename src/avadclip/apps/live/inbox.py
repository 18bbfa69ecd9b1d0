"""Bounded queue from the cameras to the scorer; if it is full, the oldest snippets are dropped and counted."""

import threading
from collections import Counter, deque
from typing import NamedTuple

from avadclip.apps.live.camera import Opened
from avadclip.apps.live.camera_child import RecordingFailed
from avadclip.apps.live.live_snippet import LiveSnippet


class Connecting(NamedTuple):
    """The camera's process was started."""


class Lost(NamedTuple):
    """Camera disconnected."""

    reason: str
    retry_seconds: float


class CameraFinished(NamedTuple):
    """A recording was played to its end."""

    reason: str


News = Connecting | Opened | LiveSnippet | RecordingFailed | Lost | CameraFinished


class Inbox:
    """FIFO over all cameras, with a limit per camera, so that a fast one cannot displace others."""

    def __init__(self) -> None:
        self.dropped_frames: Counter[str] = Counter()
        self._items: deque[tuple[str, News]] = deque()
        self._changed = threading.Condition()

    def put(self, camera: str, news: News, *, max_snippets: int) -> None:
        """Add an item; above `max_snippets` the camera's oldest snippet is dropped. Other items are never dropped."""
        with self._changed:
            self._items.append((camera, news))
            waiting = [item for item in self._items if item[0] == camera and isinstance(item[1], LiveSnippet)]
            if len(waiting) > max_snippets:
                self._drop(waiting[0])
            self._changed.notify()

    def get(self, timeout: float) -> tuple[str, News] | None:
        """The oldest item and its camera; None after `timeout` seconds without one."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._items), timeout)
            return self._items.popleft() if self._items else None

    def _drop(self, item: tuple[str, News]) -> None:
        place = next(i for i, each in enumerate(self._items) if each is item)  # `==` of arrays is not a bool
        del self._items[place]
        camera, snippet = item
        assert isinstance(snippet, LiveSnippet)
        self.dropped_frames[camera] += len(snippet.frames)
