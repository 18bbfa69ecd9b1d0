"""Watch of cameras: their processes, one scorer for all, and the messages to the sinks."""

import logging
import resource
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import torch

from avadclip.apps.live.camera import Opened, check_source
from avadclip.apps.live.camera_child import BeginRecording, RecordingFailed
from avadclip.apps.live.causal import Judgement
from avadclip.apps.live.config import CameraConfig, WatchConfig
from avadclip.apps.live.delivery import Sink
from avadclip.apps.live.inbox import CameraFinished, Connecting, Inbox, Lost, News
from avadclip.apps.live.key_frame import EventPictures
from avadclip.apps.live.live_snippet import LiveSnippet
from avadclip.apps.live.messages import (
    CameraState,
    CameraStats,
    EventMessage,
    Message,
    StatsMessage,
    StatusMessage,
)
from avadclip.apps.live.recording.recordings import Recordings
from avadclip.apps.live.sinks.outbox import Outbox
from avadclip.apps.live.watched_camera import LastPicture, WatchedCamera, make_camera
from avadclip.errors import ConfigError
from avadclip.files import write_atomically
from avadclip.inference.detector import Detector, load_detector
from avadclip.inference.scorers import ZERO_SHOT

WAIT_SECONDS = 0.5  # how soon a stop is noticed
STATS_FILE = "stats.json"  # in the state folder: the last statistics
RESTARTED = "avadclip was restarted; the event's end time is unknown"

log = logging.getLogger(__name__)

Publish = Callable[[Message], None]
"""Called with every message, from one thread."""


class Watch:
    """Watch that runs until every source is finished or it is stopped.

    Args:
        config: cameras and sinks.
        detector: scores the snippets of all cameras.
        publish: called with every message.
        deliverers: sinks of events besides those of the config, fed from the state folder like those.

    Raises:
        ConfigError: the state folder is in use, a sink's library is missing, or a camera's sound is unknown.
    """

    def __init__(
        self, config: WatchConfig, detector: Detector, publish: Publish, *, deliverers: Sequence[Sink] = ()
    ) -> None:
        self._config = config
        self._kept = None if config.kept is None else Recordings(config.kept)
        self._pictures = None
        if config.kept is not None:
            root = None if config.service is None else config.service.root
            self._pictures = EventPictures(config.kept.folder, root)
        self._inbox = Inbox()
        self._sinks: list[Publish] = [publish]
        self._cleanup = ExitStack()
        self._outbox: Outbox | None = None
        self._stopping = threading.Event()
        self._next_stats = time.monotonic() + config.stats_seconds
        self._cameras = {name: self._make_camera(name, camera, detector) for name, camera in config.cameras.items()}
        if config.state is not None:
            self._outbox = Outbox(config.state, config, deliverers, self._cleanup, self._write_stats)
            self._sinks += self._outbox.subscribers

    def stop(self) -> None:
        """Make `run` end the open events and return within seconds; safe in signal handlers."""
        self._stopping.set()

    def run(self) -> None:
        """Watch."""
        with self._cleanup:
            if self._outbox is not None:
                self._outbox.start()
            self._end_open_events()
            for camera in self._cameras.values():
                camera.process.start()
            try:
                self._follow()
            finally:
                self._close_cameras()

    def stats(self) -> StatsMessage:
        """Current counts."""
        sinks = {} if self._outbox is None else self._outbox.stats()
        return StatsMessage(time=time.time(), memory_bytes=_resident_bytes(), cameras=self.camera_stats(), sinks=sinks)

    def camera_stats(self) -> dict[str, CameraStats]:
        """Current counts of the cameras; also after the watch has ended."""
        return {name: camera.stats(self._inbox) for name, camera in self._cameras.items()}

    def pictures(self) -> dict[str, LastPicture]:
        """The last picture of each camera that has shown one."""
        taken = {name: camera.last_picture for name, camera in self._cameras.items()}
        return {name: picture for name, picture in taken.items() if picture is not None}

    def _make_camera(self, name: str, config: CameraConfig, detector: Detector) -> WatchedCamera:
        recordings = self._recordings
        return make_camera(
            name,
            config,
            detector,
            self._inbox,
            scoring=self._config.scoring,
            buffer_seconds=None if recordings is None else recordings.buffer_seconds(config.min_seconds),
            pictures=self._pictures,
        )

    @property
    def _recordings(self) -> Recordings | None:
        return None if self._config.recording is None else self._kept

    def _end_open_events(self) -> None:
        """End the events that were still open when an earlier process ended."""
        for last in [] if self._outbox is None else self._outbox.open_events():
            event, number = last.after, last.number + 1
            self._publish(
                EventMessage(type="end", id=f"{event.id}.{number}", before=event, after=event, note=RESTARTED)
            )

    def _follow(self) -> None:
        running = set(self._cameras)
        while running and not self._stopping.is_set():
            item = self._inbox.get(WAIT_SECONDS)
            if item is not None:
                name, news = item
                self._take(self._cameras[name], news)
                if isinstance(news, CameraFinished):
                    running.discard(name)
            if time.monotonic() >= self._next_stats:
                self._next_stats += self._config.stats_seconds
                self._publish_stats()
                if self._kept is not None:
                    self._kept.make_room()

    def _publish_stats(self) -> None:
        self._publish(self.stats())
        self._write_stats()

    def _write_stats(self) -> None:
        if self._config.state is not None:
            with suppress(OSError):  # a full disk must not end the watch
                write_atomically(self._config.state / STATS_FILE, self.stats().to_json() + "\n")

    def _take(self, camera: WatchedCamera, news: News) -> None:
        match news:
            case LiveSnippet():
                camera.num_snippets += 1
                self._judge(camera, camera.scorer.push(news))
            case Connecting():
                self._publish_status(camera, "connecting", "reader process started")
            case Opened():
                sound = "sound" if news.has_sound else "no sound"
                note = "" if news.note is None else f", {news.note}"
                self._publish_status(camera, "online", f"{news.width}x{news.height}, {sound}{note}")
            case RecordingFailed():
                camera.num_failed_recordings += 1
                self._publish_status(camera, "online", f"recording of {news.event} failed: {news.reason}")
                for message in camera.events.report_failed_recording(news.event, news.reason):
                    self._publish(message)
            case Lost():
                self._lose(camera, news.reason)
                self._publish_status(camera, "offline", f"{news.reason}; reconnecting in {news.retry_seconds:g} s")
            case CameraFinished():
                self._lose(camera, news.reason)
                self._publish_status(camera, "finished", news.reason)

    def _judge(self, camera: WatchedCamera, judgements: list[Judgement]) -> None:
        for judgement in judgements:
            if judgement.network != camera.network:
                camera.network = judgement.network
                self._publish_status(camera, "online", judgement.reason)
            for message in camera.messages_about(judgement):
                self._publish(message)

    def _lose(self, camera: WatchedCamera, reason: str) -> None:
        self._judge(camera, camera.scorer.finish())
        camera.network = None
        for message in camera.events.finish(f"camera disconnected: {reason}"):
            self._publish(message)

    def _publish_status(self, camera: WatchedCamera, state: CameraState, reason: str) -> None:
        undelivered = 0 if self._outbox is None else self._outbox.num_waiting
        self._publish(
            StatusMessage(
                camera=camera.name,
                time=time.time(),
                state=state,
                reason=reason,
                network=camera.network,
                undelivered=undelivered,
            )
        )

    def _publish(self, message: Message) -> None:
        if isinstance(message, EventMessage) and self._outbox is not None:
            self._outbox.record(message)
        for sink in self._sinks:
            sink(message)
        if isinstance(message, EventMessage):
            self._record(message)

    def _record(self, message: EventMessage) -> None:
        command = None if self._recordings is None else self._recordings.command(message)
        camera = self._cameras.get(message.after.source)
        if command is None or camera is None:
            return
        if not camera.process.command(command) and isinstance(command, BeginRecording):
            self._take(camera, RecordingFailed(message.after.id, "the camera is disconnected"))

    def _close_cameras(self) -> None:
        for camera in self._cameras.values():
            camera.process.stop()
        for camera in self._cameras.values():
            self._lose(camera, "avadclip was stopped")
            camera.process.join()


def load_live_detector(config: WatchConfig) -> Detector:
    """Load the model and check the sources; raises AvadclipError before anything is started."""
    for camera in config.cameras.values():
        check_source(camera.source)
    if config.model == ZERO_SHOT:
        raise ConfigError("zero-shot scores are not calibrated, so they cannot raise alarms; use a trained checkpoint")
    detector = load_detector(
        config.model,
        encoders=config.encoders,
        device=config.device,
        network=config.network,
        sounds=any(camera.names_sounds for camera in config.cameras.values()),
        skip_still=config.skip_still,
    )
    for note in detector.notes:
        log.warning("%s", note)
    if detector.encoders.name == "lite":
        torch.set_num_threads(1)  # small networks: on a busy machine, thread synchronisation costs more than the work
    return detector


def _resident_bytes() -> int:
    """Resident memory in bytes; outside Linux the peak value."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
