"""`avadclip extract` over an archive: a feature file per video."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avadclip.apps.archive.sources import VideoSource
from avadclip.apps.archive.storage import Storage
from avadclip.encoders.base import Encoders
from avadclip.features.batch import is_current
from avadclip.features.extract import provenance_of
from avadclip.features.snippets import SnippetFeatures
from avadclip.features.store import write_features
from avadclip.media.probe import MediaFile
from avadclip.timeline import SnippetGrid

if TYPE_CHECKING:
    from avadclip.encoders.load import EncoderOptions


@dataclass(frozen=True)
class ExtractionJob:
    """Extraction job, see job.ArchiveJob."""

    encoders: str
    options: "EncoderOptions"
    grid: SnippetGrid
    audio_track: int | None = None
    skip_still: bool = False

    @property
    def device(self) -> str:
        """Device of the networks."""
        return self.options.device

    def load(self) -> "ExtractionWork":
        """See job.ArchiveJob.load."""
        from avadclip.encoders.load import load_encoders  # PyTorch, which only workers need

        encoders = load_encoders(self.encoders, self.options)._replace(skip_still=self.skip_still)
        return ExtractionWork(encoders, self.grid, self.audio_track)

    def output_name(self, place: str) -> str:
        """Path of the feature file."""
        return f"{place}.safetensors"

    def result_names(self, place: str) -> tuple[str]:
        """Path of the feature file, the only one."""
        return (self.output_name(place),)


class ExtractionWork:
    """Extraction work, see job.ArchiveWork."""

    def __init__(self, encoders: Encoders, grid: SnippetGrid, audio_track: int | None) -> None:
        self.encoders = encoders
        self.grid = grid
        self._audio_track = audio_track
        self._provenance = provenance_of(encoders, grid)

    def identity(self) -> dict[str, Any]:
        """Provenance of the feature files, and the audio track where one was asked for."""
        track = {} if self._audio_track is None else {"audio_track": self._audio_track}
        return self._provenance.model_dump(mode="json") | track

    def is_current(self, storage: Storage, place: str, source_sha256: str, scratch: Path) -> bool:
        """Compare the header of the file."""
        file = storage.fetch(f"{place}.safetensors", scratch)
        if file is None:
            return False
        answer = is_current(file, self._provenance, source_sha256, self._audio_track)
        file.unlink()
        return answer

    def make(
        self,
        features: SnippetFeatures,
        source: VideoSource,  # noqa: ARG002
        media: MediaFile,  # noqa: ARG002
        folder: Path,
    ) -> tuple[Path]:
        """Write the feature file."""
        target = folder / "features.safetensors"
        write_features(target, features)
        return (target,)
