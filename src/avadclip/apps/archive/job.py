"""Interfaces of a job over an archive: the job is sent to the workers, and each loads it once."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from avadclip.apps.archive.sources import VideoSource
from avadclip.apps.archive.storage import Storage
from avadclip.encoders.base import Encoders
from avadclip.features.snippets import SnippetFeatures
from avadclip.media.probe import MediaFile
from avadclip.timeline import SnippetGrid


class ArchiveWork(Protocol):
    """A job with loaded networks."""

    encoders: Encoders
    grid: SnippetGrid

    def identity(self) -> dict[str, Any]:
        """Everything besides the video that determines a result; JSON values."""
        ...

    def is_current(self, storage: Storage, place: str, source_sha256: str, scratch: Path) -> bool:
        """Whether the existing results equal those that this work would produce from such content."""
        ...

    def make(self, features: SnippetFeatures, source: VideoSource, media: MediaFile, folder: Path) -> Sequence[Path]:
        """Make the result files of one video in an empty folder; the last one says what they were made from."""
        ...


class ArchiveJob(Protocol):
    """A job without networks: small, and the same on every machine."""

    @property
    def device(self) -> str:
        """Device of the networks, in torch's notation."""
        ...

    @property
    def audio_track(self) -> int | None:
        """Audio track of every video, see MediaFile.audio_track."""
        ...

    def load(self) -> ArchiveWork:
        """Load the networks; AvadclipError if that fails."""
        ...

    def output_name(self, place: str) -> str:
        """Path of a video's result below the results' folder: a file or a folder."""
        ...

    def result_names(self, place: str) -> Sequence[str]:
        """Paths of a video's result files below the results' folder, in the order of ArchiveWork.make."""
        ...


def made_by(identity: dict[str, Any]) -> str:
    """Hash of an identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
