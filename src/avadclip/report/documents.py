"""Results read back from the JSON that `exports` writes."""

import os
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import from_json

from avadclip.errors import DataError, reason_by_pydantic
from avadclip.events import Event, EventRules, Modality, NamedSound, ScoreTrack, SoundRule, Thresholds
from avadclip.inference.detector import Detection
from avadclip.media.probe import MediaInfo, SoundInfo

MAX_NAME_BYTES = 255  # what file systems take; a report's folder is named after its video
MAX_PATH_BYTES = 4096
MAX_SECONDS = 1e9  # 30 years
MAX_SOUND_NAME = 200  # characters; the longest of AudioSet has 66
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]


class _Part(BaseModel):
    """Finite numbers only; keys that a later version adds are passed over."""

    model_config = ConfigDict(allow_inf_nan=False)


class _Media(_Part):
    duration_seconds: Seconds
    frame_rate_hz: float = Field(ge=0)
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    rotation_degrees: int
    sound: SoundInfo | None


def _check_sound_name(name: str) -> str:
    if not (0 < len(name) <= MAX_SOUND_NAME and name.isprintable()):
        raise ValueError(f"{name[:MAX_SOUND_NAME]!r} is no name of a sound")
    return name


SoundName = Annotated[str, AfterValidator(_check_sound_name)]


class _SoundRule(_Part):
    label: SoundName
    names: tuple[SoundName, ...]
    threshold: float = Field(gt=0, le=1)
    is_sudden: bool = False


class _Rules(_Part):
    min_seconds: Seconds
    merge_gap_seconds: Seconds
    release_share: Share
    sounds: tuple[_SoundRule, ...] | None = None

    def to_event_rules(self, threshold: float) -> EventRules:
        sounds = None if self.sounds is None else tuple(SoundRule(**dict(rule)) for rule in self.sounds)
        return EventRules(threshold, **dict(self) | {"sounds": sounds})


class _Scores(_Part):
    snippet_seconds: float = Field(gt=0, le=MAX_SECONDS)
    end_seconds: Seconds
    anomaly: list[Share] = Field(min_length=1)
    class_probabilities: list[list[Share]]
    visual_student: list[Share] | None
    audio_student: list[Share] | None


class _Thresholds(_Part):
    detection: Share
    alert: Share | None


class _Identity(_Part):
    """See encoders.base.Identity; what else stands there is kept."""

    model_config = ConfigDict(extra="allow")

    name: str


class _Document(_Part):
    format: Literal["avadclip-detection/1"]
    source: str
    media: _Media
    model: str
    network: str
    modality: Modality
    reason: str
    encoders: dict[str, _Identity]
    classes: tuple[str, ...] = Field(min_length=2)
    thresholds: _Thresholds
    rules: _Rules
    sounds: tuple[NamedSound, ...] | None = None
    notes: tuple[str, ...]
    events: tuple[Event, ...]
    scores: _Scores

    @field_validator("source")
    @classmethod
    def _names_a_file(cls, source: str) -> str:
        name = Path(source).stem
        if name in ("", "..") or "\0" in source:
            raise ValueError(f"{source!r} names no file")
        if len(os.fsencode(name)) > MAX_NAME_BYTES or len(os.fsencode(source)) > MAX_PATH_BYTES:
            raise ValueError("longer than the names of files may be")
        return source

    @model_validator(mode="after")
    def _fit(self) -> "_Document":
        scores = self.scores
        rows = {len(row) for row in scores.class_probabilities}
        if len(scores.class_probabilities) != len(scores.anomaly) or rows != {len(self.classes)}:
            raise ValueError("scores.class_probabilities does not have a row per snippet and a column per class")
        for track in (scores.visual_student, scores.audio_student):
            if track is not None and len(track) != len(scores.anomaly):
                raise ValueError("a student's scores are not as many as scores.anomaly")
        for event in self.events:
            if not (0 <= event.start < event.end <= MAX_SECONDS and 0 <= event.score <= 1):
                raise ValueError(
                    f"event {event.id!r} has the score {event.score:g} from {event.start:g} to {event.end:g} s"
                )
            if event.kind == "model" and event.label not in self.classes:
                raise ValueError(f"event {event.id!r} is of the class {event.label!r}, which is not in classes")
            if event.kind == "sound":
                _check_sound_name(event.label)
        for sound in (*(self.sounds or ()), *(sound for event in self.events for sound in event.sounds)):
            _check_sound_name(sound.name)
            if not (0 <= sound.start <= sound.end <= MAX_SECONDS and 0 <= sound.probability <= 1):
                raise ValueError(
                    f"the sound {sound.name!r} has the probability {sound.probability:g} from {sound.start:g} to "
                    f"{sound.end:g} s"
                )
        return self


def read_detections(path: Path) -> list[Detection]:
    """Every detection of a JSON file: detection.json, or what `detect --format json --scores` printed.

    Raises:
        DataError: unreadable, no result of avadclip, or a result without its scores.
    """
    try:
        content = from_json(path.read_bytes(), allow_inf_nan=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}); give a detection.json") from error
    documents = content if isinstance(content, list) else [content]
    if not documents:
        raise DataError(f"{path} holds no result: its list is empty; detect events in a video first")
    return [from_document(document, origin=str(path)) for document in documents]


def from_document(document: object, *, origin: str) -> Detection:
    """The detection that `exports.to_document` turned into plain values; scores are as rounded there.

    Args:
        document: dicts, lists, strings and numbers, as JSON gives them.
        origin: where it comes from, for messages.

    Raises:
        DataError: not such a document, or one without scores.
    """
    if not isinstance(document, dict):
        raise DataError(f"{origin} holds no JSON object where a result was needed; give a detection.json")
    if document.get("format") and "scores" not in document:
        raise DataError(f"{origin} holds no scores, only events; detect again with `--format json --scores`")
    try:
        read = TypeAdapter(_Document).validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        reason = reason_by_pydantic(first["msg"])
        raise DataError(f"{origin} is no result of this avadclip ({where}: {reason}); detect again") from error
    return _detection(read)


def _detection(read: _Document) -> Detection:
    scores = read.scores
    probabilities = np.asarray(scores.class_probabilities, dtype=np.float32)

    def track(values: list[float] | None) -> ScoreTrack | None:
        return None if values is None else _track(values, probabilities, read)

    return Detection(
        source=read.source,
        media=MediaInfo(path=Path(read.source), notes=(), **dict(read.media)),
        model=read.model,
        network=read.network,
        modality=read.modality,
        reason=read.reason,
        track=_track(scores.anomaly, probabilities, read),
        visual_track=track(scores.visual_student),
        audio_track=track(scores.audio_student),
        thresholds=Thresholds(**dict(read.thresholds)),
        rules=read.rules.to_event_rules(read.thresholds.detection),
        events=read.events,
        encoders={kind: identity.model_dump() for kind, identity in read.encoders.items()},
        notes=read.notes,
        sounds=read.sounds,
    )


def _track(values: list[float], probabilities: NDArray[np.float32], read: _Document) -> ScoreTrack:
    return ScoreTrack(
        scores=np.asarray(values, dtype=np.float32),
        class_probabilities=probabilities,
        classes=read.classes,
        snippet_seconds=read.scores.snippet_seconds,
        end_seconds=read.scores.end_seconds,
    )
