"""Detect anomalous events in a video: the library's front door."""

from dataclasses import dataclass

from avadclip.encoders.base import Identity
from avadclip.events import Event, Modality, ScoreTrack, Thresholds
from avadclip.media.probe import MediaInfo


@dataclass(frozen=True)
class Detection:
    """Everything said about one video."""

    source: str
    """The video, as the user named it."""
    media: MediaInfo
    model: str
    """Checkpoint name, e.g. `starter`."""
    network: str
    """Which network of the checkpoint scored it: teacher, visual student, audio student, zero-shot."""
    modality: Modality
    reason: str
    """Why this network: one phrase, e.g. `the file has no sound track`."""
    track: ScoreTrack
    """The scores the events were found in."""
    visual_track: ScoreTrack | None
    """The visual student's scores where the teacher scored the video: what the picture alone says."""
    audio_track: ScoreTrack | None
    """The audio student's scores where the teacher scored the video, once there is an audio student."""
    thresholds: Thresholds
    events: tuple[Event, ...]
    encoders: dict[str, Identity]
    """Identity of the visual and audio encoder."""
    notes: tuple[str, ...]
    """What is odd about the file, or was decided for it."""
