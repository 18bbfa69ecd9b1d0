"""From a score per snippet to timed events, in seconds."""

import math
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from avadclip.errors import ConfigError

UNNAMED_CLASSES = ("normal", "anomaly")  # of networks without class predictions

Severity = Literal["alert", "detection"]
EventKind = Literal["model", "sound"]
Modality = Literal["audio-visual", "visual", "audio"]


@dataclass(frozen=True)
class ScoreTrack:
    """The scores of one network for one video, snippet by snippet."""

    scores: NDArray[np.float32]
    """Anomaly score of the classification branch, [T], within [0, 1]."""
    class_probabilities: NDArray[np.float32]
    """Softmax of the alignment map over the classes, [T, C]; of UNNAMED_CLASSES, 1 - score and score."""
    classes: tuple[str, ...]
    """C names; the first is `normal`."""
    snippet_seconds: float
    end_seconds: float
    """End of the video; the last snippet's score holds until here."""

    def boundaries(self) -> NDArray[np.float64]:
        """Start of every snippet and the end of the last one in seconds, [T + 1]."""
        starts: NDArray[np.float64] = np.arange(len(self.scores) + 1, dtype=np.float64) * self.snippet_seconds
        starts[-1] = max(self.end_seconds, starts[-2])
        return starts


@dataclass(frozen=True)
class Thresholds:
    """Anomaly scores from which an event counts, chosen on validation and stored in the checkpoint."""

    detection: float
    alert: float | None
    """None: no event is an alert, as zero-shot scores are not calibrated."""

    def __post_init__(self) -> None:
        if math.isnan(self.detection) or (self.alert is not None and math.isnan(self.alert)):
            raise ValueError("A threshold is not a number (NaN): no score reaches it")

    def severity(self, score: float) -> Severity:
        """The severity of an event with this peak score."""
        return "alert" if self.alert is not None and score >= self.alert else "detection"


UNVALIDATED = Thresholds(detection=0.5, alert=None)
"""Used where there is no labelled video to choose thresholds on: as likely anomalous as not, and no alerts."""


@dataclass(frozen=True)
class SoundRule:
    """A named sound that raises events of its own, without training.

    Raises:
        ConfigError: a threshold outside (0, 1].
    """

    label: str
    """The events' label, e.g. `glass`."""
    names: tuple[str, ...]
    """Names of the audio tagger; the highest of their probabilities counts."""
    threshold: float
    """Probability from which the sound is an event."""
    synonyms: tuple[str, ...] = ()
    """Other words for it, e.g. `shooting`."""
    is_sudden: bool = False
    """Whether only what stands out counts: the probability less its median over the snippets before. A rumble that
    goes on is then no explosion."""

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold <= 1.0:
            raise ConfigError(
                f"the threshold of the sound {self.label!r} is {self.threshold}; give one above 0, up to 1"
            )


@dataclass(frozen=True)
class EventRules:
    """How scores become events. Its defaults are those of every command and application.

    Raises:
        ConfigError: a value that is not finite, or outside its range.
    """

    threshold: float | None = None
    """An event needs one snippet at or above this score, within [0, 1]; None: the checkpoint's own threshold of the
    network that scores."""
    min_seconds: float = 0.0
    """Shorter events are dropped."""
    merge_gap_seconds: float = 1.0
    """Events closer than this become one; by default a single quiet snippet does not cut an event in two."""
    release_share: float = 0.8
    """An event lasts while the score stays at or above this share of the threshold (hysteresis), within [0, 1]."""
    sounds: tuple[SoundRule, ...] | None = None
    """Sounds that raise events; None: the default set of the audio tagger."""

    def __post_init__(self) -> None:
        for name, most in (
            ("threshold", 1.0),
            ("min_seconds", math.inf),
            ("merge_gap_seconds", math.inf),
            ("release_share", 1.0),
        ):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and 0.0 <= value <= most):
                needed = "a finite number of seconds, 0 or more" if most == math.inf else "a number from 0 to 1"
                raise ConfigError(f"the event rule {name} is {value}; give {needed}")

    def resolved(self, threshold: float) -> "EventRules":
        """The same rules with this threshold where they have none."""
        return self if self.threshold is not None else replace(self, threshold=threshold)

    @property
    def start_score(self) -> float:
        """The threshold; ValueError where it is None."""
        if self.threshold is None:
            raise ValueError("These rules have no threshold yet; call resolved() with the network's own")
        return self.threshold

    @property
    def stay_score(self) -> float:
        """An event lasts while the score stays at or above this; ValueError where the threshold is None."""
        return self.start_score * self.release_share


@dataclass(frozen=True)
class Decimals:
    """Marks a number of an event that is rounded in files and messages, to so many decimals."""

    places: int


SECONDS, SCORE = Decimals(3), Decimals(6)
Seconds = Annotated[float, SECONDS]
Score = Annotated[float, SCORE]


class _Rounding(BaseModel):
    """A model with numbers that are marked with Decimals."""

    model_config = ConfigDict(frozen=True)

    def rounded(self) -> Self:
        """A copy with every number that is marked with Decimals rounded."""
        marks = [
            (name, mark.places)
            for name, field in type(self).model_fields.items()
            for mark in field.metadata
            if isinstance(mark, Decimals)
        ]
        numbers = [(name, getattr(self, name), places) for name, places in marks]
        return self.model_copy(
            update={name: round(float(number), places) for name, number, places in numbers if number is not None}
        )


class NamedSound(_Rounding):
    """A sound with a name, in one stretch of time [start, end)."""

    name: str
    """As the audio tagger has it, e.g. `Gunshot, gunfire` (AudioSet)."""
    probability: Score
    """Highest probability inside, within [0, 1]."""
    start: Seconds
    end: Seconds


class BaseEvent(_Rounding):
    """The fields that events of videos and events of cameras share.

    Files, messages, tables and the API derive their fields from here: a field that is added, with a default, is in all
    of them. Its value is set in `inference/detector.py` and `apps/live/event_stream.py`; the tables need a migration.
    """

    id: str
    source: str
    """The video, as the user named it, or the name of the camera."""
    label: str
    """The alignment branch's best anomaly class over the event; of a sound event, the label of its SoundRule."""
    score: Score
    """Highest anomaly score inside, within [0, 1]; of a sound event, the highest probability."""
    start: Seconds
    """From the start of the picture; of a camera, Unix time."""
    end: Annotated[float | None, SECONDS]
    """First moment after the event; None where it is not known yet."""
    severity: Severity
    modality: Modality
    model: str
    """Checkpoint name; of a sound event, the name of the audio tagger."""
    threshold: Score
    """The score that an event needs."""
    sound_gain: Annotated[float | None, SCORE] = None
    """Mean of teacher minus visual student over the event; None where either is missing."""
    kind: EventKind = "model"
    """`sound`: raised by a named sound alone (SoundRule), not by the model."""
    sounds: tuple[NamedSound, ...] = ()
    """The sounds recognised during the event, the most probable first."""

    def rounded(self) -> Self:
        """A copy with every number that is marked with Decimals rounded, those of the sounds too."""
        return super().rounded().model_copy(update={"sounds": tuple(sound.rounded() for sound in self.sounds)})


class Event(BaseEvent):
    """One predicted anomalous stretch of a video, half open [start, end)."""

    model_config = ConfigDict(allow_inf_nan=False)

    end: Seconds
    picture_gain: Annotated[float | None, SCORE] = None
    """Mean of teacher minus audio student over the event; None where either is missing."""
    snapshot: str | None = None
    """Picture of the event's peak, a path; None where none was written."""


def find_spans(track: ScoreTrack, rules: EventRules) -> list[tuple[int, int]]:
    """Half-open snippet ranges of the events, by hysteresis, then gap filling, then the shortest length."""
    return [(start, stop) for start, stop in span_rows(track.scores, track.boundaries(), rules).tolist()]


def span_rows(scores: NDArray[np.floating], boundaries: NDArray[np.float64], rules: EventRules) -> NDArray[np.intp]:
    """The ranges of find_spans as an array, [A, 2], for many calls on long scores.

    Args:
        scores: [T], of rows of any length.
        boundaries: [T + 1], the rows' starts and the end of the last, in seconds.
        rules: with a threshold.
    """
    is_above = scores >= rules.stay_score
    runs = np.flatnonzero(np.diff(np.concatenate([[False], is_above, [False]]))).reshape(-1, 2)
    if len(runs) == 0:
        return runs
    # Up to the next run: the rows in between are lower, so the highest is that of the run itself.
    runs = runs[np.maximum.reduceat(scores, runs[:, 0]) >= rules.start_score]
    starts, stops = runs.T
    is_apart = boundaries[starts[1:]] - boundaries[stops[:-1]] >= rules.merge_gap_seconds
    starts, stops = starts[np.append(True, is_apart)[: len(runs)]], stops[np.append(is_apart, True)[: len(runs)]]
    is_long = boundaries[stops] - boundaries[starts] >= rules.min_seconds
    spans: NDArray[np.intp] = np.stack([starts, stops], axis=1)[is_long]
    return spans


def mean_gain(track: ScoreTrack, without: ScoreTrack | None, span: tuple[int, int]) -> float | None:
    """How much higher `track` scores this span than the network that lacks one modality."""
    if without is None:
        return None
    start, stop = span
    return float(np.mean(track.scores[start:stop] - without.scores[start:stop]))


def best_anomaly_class(track: ScoreTrack, span: tuple[int, int]) -> str:
    """The anomaly class with the highest mean probability over the span; `normal` is not a candidate."""
    start, stop = span
    return track.classes[1 + int(track.class_probabilities[start:stop, 1:].mean(axis=0).argmax())]
