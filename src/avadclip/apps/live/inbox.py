"""Bounded queues from the cameras to the scorer, who serves them in turn; what a full one drops is counted."""

import threading
from collections import Counter, OrderedDict, defaultdict, deque
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
    """One bounded queue per camera, served in turn: a fast or crowded camera cannot displace others."""

    def __init__(self) -> None:
        self.dropped_frames: Counter[str] = Counter()
        self.dropped_seconds: defaultdict[str, float] = defaultdict(float)
        self._queues: OrderedDict[str, deque[News]] = OrderedDict()  # the camera served longest ago first
        self._changed = threading.Condition()

    def put(self, camera: str, news: News, *, max_snippets: int) -> None:
        """Add an item; above `max_snippets` the camera's oldest snippet is dropped. Other items are never dropped."""
        with self._changed:
            queue = self._queues.setdefault(camera, deque())
            queue.append(news)
            places = [place for place, each in enumerate(queue) if isinstance(each, LiveSnippet)]
            if len(places) > max_snippets:
                self._drop(camera, places[0])
            self._changed.notify()

    def get(self, timeout: float) -> tuple[str, News] | None:
        """The oldest item of the camera whose turn it is; None after `timeout` seconds without one."""
        with self._changed:
            self._changed.wait_for(lambda: any(self._queues.values()), timeout)
            for camera, queue in self._queues.items():
                if queue:
                    self._queues.move_to_end(camera)
                    return camera, queue.popleft()
            return None

    def _drop(self, camera: str, place: int) -> None:
        snippet = self._queues[camera][place]
        assert isinstance(snippet, LiveSnippet)
        del self._queues[camera][place]
        self.dropped_frames[camera] += len(snippet.frames)
        self.dropped_seconds[camera] += snippet.end - snippet.start
