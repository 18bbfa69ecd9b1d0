"""`avadclip detect` over an archive: a report folder per video."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avadclip.apps.archive.sources import VideoSource
from avadclip.apps.archive.storage import Storage
from avadclip.encoders.precision import Precision
from avadclip.events import EventRules
from avadclip.features.batch import content_sha256
from avadclip.features.extract import provenance_of
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.checkpoint import locate_checkpoint
from avadclip.inference.detector import Detector, load_detector
from avadclip.inference.scorers import ZERO_SHOT
from avadclip.media.probe import MediaFile
from avadclip.report.folder import write_files

MADE_FROM = "made_from.json"
REPORT_FILES = ("detection.json", "events.csv", "events.vtt", "scores.png")


@dataclass(frozen=True)
class DetectionJob:
    """Detection job, see job.ArchiveJob; options as in load_detector and Detector.detect."""

    model: str
    encoders: str | None
    classes: tuple[str, ...] | None
    device: str
    precision: Precision | None
    rules: EventRules
    sounds: bool = True
    audio_track: int | None = None
    network: str | None = None
    skip_still: bool = False

    def load(self) -> "DetectionWork":
        """See job.ArchiveJob.load."""
        return DetectionWork(self)

    def output_name(self, place: str) -> str:
        """Path of the report folder."""
        return place

    def result_names(self, place: str) -> tuple[str, ...]:
        """Paths of the report folder's files and of its provenance file."""
        return tuple(f"{place}/{name}" for name in (*REPORT_FILES, MADE_FROM))


class DetectionWork:
    """Detection work, see job.ArchiveWork."""

    def __init__(self, job: DetectionJob) -> None:
        self._job = job
        self._detector: Detector = load_detector(
            job.model,
            encoders=job.encoders,
            classes=job.classes,
            device=job.device,
            precision=job.precision,
            sounds=job.sounds,
            network=job.network,
            skip_still=job.skip_still,
        )
        self.encoders = self._detector.encoders
        self.grid = self._detector.grid

    def identity(self) -> dict[str, Any]:
        """Encoders, the model's content, how events are cut; the audio track and the network where asked for."""
        model, rules = self._job.model, dataclasses.asdict(self._job.rules)
        if rules["release_share"] == EventRules.release_share:
            del rules["release_share"]  # archives of 0.1.0, which has no other, are current without it
        tagger = self.encoders.tagger
        sounds = {"sounds": rules.pop("sounds"), "tagger": None if tagger is None else tagger.identity()}
        return {
            "features": provenance_of(self.encoders, self.grid).model_dump(mode="json"),
            "model": ZERO_SHOT if model == ZERO_SHOT else content_sha256(locate_checkpoint(model)),
            "classes": list(self._detector.scorer.classes),
            **rules,
            **(sounds if tagger is not None else {}),
            **({} if self._job.audio_track is None else {"audio_track": self._job.audio_track}),
            **({} if self._job.network is None else {"network": self._job.network}),
        }

    def is_current(self, storage: Storage, place: str, source_sha256: str, scratch: Path) -> bool:  # noqa: ARG002
        """Whether MADE_FROM, the last file that is written, holds the same content and options."""
        return storage.read(f"{place}/{MADE_FROM}") == self._made_from(source_sha256)

    def make(self, features: SnippetFeatures, source: VideoSource, media: MediaFile, folder: Path) -> tuple[Path, ...]:
        """The report folder's files, and what they were made from."""
        detection = self._detector.judge(features, media.info, source=source.name, rules=self._job.rules)
        write_files(detection, folder)
        (folder / MADE_FROM).write_bytes(self._made_from(features.source_sha256 or ""))
        return tuple(folder / name for name in (*REPORT_FILES, MADE_FROM))

    def _made_from(self, source_sha256: str) -> bytes:
        return json.dumps({"source_sha256": source_sha256, **self.identity()}, sort_keys=True, indent=2).encode()
