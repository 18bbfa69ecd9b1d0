"""One camera of a watch: its process, its scorer and its events, as the camera's configuration wants them."""

import time
from typing import NamedTuple

from avadclip.apps.live.camera import CameraOptions
from avadclip.apps.live.camera_process import CameraProcess
from avadclip.apps.live.causal import CausalScorer, Judgement
from avadclip.apps.live.config import CameraConfig, ScoringConfig
from avadclip.apps.live.event_stream import CameraEvents
from avadclip.apps.live.inbox import Inbox
from avadclip.apps.live.key_frame import EventPictures
from avadclip.apps.live.messages import CameraStats, Message, ScoreMessage
from avadclip.encoders.base import Encoders, SoundTagger
from avadclip.errors import ConfigError
from avadclip.events import SoundRule
from avadclip.features.streams import longest_window
from avadclip.inference.detector import Detector
from avadclip.inference.named_sounds import sound_rules
from avadclip.timeline import SnippetGrid


class LastPicture(NamedTuple):
    """The last picture of a camera."""

    time: float
    """Unix time of its snippet's end."""
    jpeg: bytes


class WatchedCamera:
    """State of one camera."""

    def __init__(self, name: str, process: CameraProcess, scorer: CausalScorer, events: CameraEvents) -> None:
        self.name = name
        self.process = process
        self.scorer = scorer
        self.events = events
        self.network: str | None = None
        self.last_picture: LastPicture | None = None
        self.num_snippets = 0
        self.num_failed_recordings = 0

    def stats(self, inbox: Inbox) -> CameraStats:
        """Counts so far."""
        return CameraStats(
            snippets=self.num_snippets,
            dropped_frames=inbox.dropped_frames[self.name],
            dropped_seconds=round(inbox.dropped_seconds[self.name], 3),
            starts=self.process.num_starts,
            events=self.events.num_events,
            unsent_events=self.events.num_unsent,
            failed_recordings=self.num_failed_recordings,
            encoded_share=round(self.scorer.encoded_share, 3),
        )

    def messages_about(self, judgement: Judgement) -> list[Message]:
        """Messages about events that this snippet gives rise to, then its score."""
        snippet = judgement.snippet
        if snippet.key_frame is not None:
            self.last_picture = LastPicture(snippet.end, snippet.key_frame)
        score = ScoreMessage(
            camera=self.name,
            start=round(snippet.start, 3),
            end=round(snippet.end, 3),
            score=round(float(snippet.score), 6),
            network=judgement.network,
            delay_seconds=round(time.time() - judgement.due, 3),
            sounds=snippet.sounds,
        )
        return [*self.events.push(judgement), score]


def make_camera(
    name: str,
    config: CameraConfig,
    detector: Detector,
    inbox: Inbox,
    *,
    scoring: ScoringConfig,
    buffer_seconds: float | None,
    pictures: EventPictures | None = None,
) -> WatchedCamera:
    """Make a camera, ready to start.

    Args:
        name: of the camera.
        config: its source and rules.
        detector: scores its snippets, and names their sounds where the camera wants that.
        inbox: receives what its process sends.
        scoring: see CausalScorer.
        buffer_seconds: see run_camera.
        pictures: keeps the events' pictures; None: they have none.

    Raises:
        ConfigError: a sound that the detector's tagger does not know.
    """
    encoders = detector.encoders if config.names_sounds else detector.encoders._replace(tagger=None)
    tagger = encoders.tagger
    events = CameraEvents(
        name,
        config,
        model=detector.scorer.name,
        tagger="" if tagger is None else tagger.name,
        sounds=() if tagger is None else _sounds(name, config, tagger),
        pictures=pictures,
    )
    process = CameraProcess(
        name,
        _camera_options(config, encoders, detector.grid, takes_pictures=pictures is not None),
        inbox,
        queue_seconds=config.queue_seconds,
        watchdog_seconds=config.watchdog_seconds,
        buffer_seconds=buffer_seconds,
    )
    scorer = CausalScorer(Detector(detector.scorer, encoders, grid=detector.grid), scoring)
    return WatchedCamera(name, process, scorer, events)


def _sounds(name: str, config: CameraConfig, tagger: SoundTagger) -> tuple[SoundRule, ...]:
    if config.sounds is None:
        return tagger.default_sounds
    try:
        return sound_rules(config.sounds.items(), tagger.names, tagger.default_sounds)
    except ConfigError as error:
        raise ConfigError(f"camera {name}: {error}") from error


def _camera_options(
    config: CameraConfig, encoders: Encoders, grid: SnippetGrid, *, takes_pictures: bool
) -> CameraOptions:
    """What the camera's process reads: frames and audio windows as these encoders need them."""
    window_seconds = longest_window(encoders.audio, encoders.tagger) if config.sound else 0.0
    return CameraOptions(
        source=config.source,
        grid=grid,
        frame_offsets=encoders.visual.frame_offsets,
        frame_size=encoders.visual.frame_size,
        window_seconds=window_seconds or None,
        speed=config.speed,
        takes_pictures=takes_pictures,
    )
