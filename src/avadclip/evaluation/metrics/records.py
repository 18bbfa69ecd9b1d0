"""Numbers that name their origin: which head gave the scores, by which protocol, on which split, and how the weights
were chosen; a threshold states where it was chosen.
"""

import math
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

Head = Literal["classifier", "alignment", "given"]
Protocol = Literal["frame", "legacy", "strict"]
MeasureName = Literal["frame_ap", "pr_auc", "roc_auc", "calibration_error", "map", "class_ap"]
VideoMeasureName = Literal["video_ap", "video_roc_auc"]
F1Unit = Literal["frame", "video"]
Part = Literal["percent", "video_mean_percent", "kept_percent"]
"""Of a measure: its value, or its control."""
FalseOnes = Literal["false_alarms_per_hour", "false_positive_percent"]


def percent(share: float | None) -> float | None:
    """Percent of a share; None of what is undefined: None or NaN."""
    return None if share is None or math.isnan(share) else 100 * share


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Measure(_Record):
    """One number and everything it needs to be understood."""

    name: MeasureName
    head: Head
    """`classifier`: anomaly scores. `alignment`: 1 - p(normal), or class probabilities. `given`: given scores."""
    protocol: Protocol
    split: str
    selection: str
    """How the weights were chosen: `last`, `validation`, `test`; `unknown` for scores from elsewhere."""
    iou: float | Literal["AVG"] | None = None
    """Threshold of mAP, or their mean; None at frame level."""
    label: str | None = None
    """The class of a `class_ap`."""
    percent: float | None
    """None where it is undefined: frames of one kind only, no truth, scores that are no probabilities."""
    video_mean_percent: float | None = None
    """Of an AP or ROC AUC of frames: the same with every score replaced by its video's mean."""
    kept_percent: float | None = None
    """The share of the margin over chance that this control keeps; None where there is no margin."""

    def part(self, name: Part) -> float | None:
        """The value, or its control."""
        value: float | None = getattr(self, name)
        return value


class AucParts(_Record):
    """The ROC AUC of frames taken apart: w * within + (1 - w) * cross; metrics/pairs.py."""

    head: Head
    split: str
    selection: str
    within_share_percent: float
    """w: pairs of an anomalous and a normal frame that lie in one video, of all such pairs."""
    within_percent: float | None
    """Of the pairs in one video, how many are in order; None where no video has both kinds of frames."""
    cross_percent: float | None
    """Of the pairs in two videos; None where there is no such pair."""


class LatencyAp(_Record):
    """AP of frames in which late ones count only if their stretch was found in time; metrics/latency.py."""

    head: Head
    split: str
    selection: str
    seconds: float
    """d, from the start of a stretch."""
    percent: float


class FalseAlarms(_Record):
    """What it costs to find a share of the annotated stretches; metrics/alarms.py defines the words."""

    head: Head
    split: str
    """Of the scores and of the threshold, which is a point of their curve and was not chosen in advance."""
    selection: str
    wanted_recall_percent: float
    recall_percent: float
    """Reached at the highest threshold that reaches the wanted one."""
    threshold: float
    per_hour: float
    """False alarms per hour in which nothing is annotated."""


class RecallAtLimit(_Record):
    """What is found where false ones keep to a limit; metrics/recall.py.

    False alarms: the share of stretches found. False positives: the share of anomalous frames found.
    """

    head: Head
    split: str
    """Of the scores and of the threshold, which is a point of their curve and was not chosen in advance."""
    selection: str
    limit_of: FalseOnes
    limit: float
    threshold: float | None
    """The lowest that keeps to the limit, as every higher one does; None where even the highest score does not."""
    recall_percent: float
    low_percent: float
    """Lower end of the 95 % interval, by bootstrap over videos."""
    high_percent: float
    reached: float
    """False alarms per hour, or percent of normal frames, at the threshold."""
    low: float | None = None
    """Lower end of the 95 % interval of false alarms per hour, by Poisson's distribution; None of frames."""
    high: float | None = None


class HardNormals(_Record):
    """False ones in the normal videos that the user listed, and in all other normal time.

    `roc_auc_percent` is of all anomalous frames against the normal frames of each; false ones are counted at the
    threshold that keeps to the limit over all normal time.
    """

    head: Head
    split: str
    selection: str
    name: Literal["roc_auc_percent", "false_alarms_per_hour", "false_positive_percent"]
    limit: float | None
    """As in RecallAtLimit; None of `roc_auc_percent`."""
    hard: float | None
    low: float | None = None
    """Lower end of the 95 % interval of `hard`, of false alarms, by Poisson's distribution."""
    high: float | None = None
    others: float | None
    """None where there is no other normal time."""


class F1(_Record):
    """F1 at the threshold that was best on validation."""

    head: Head
    unit: F1Unit
    """What is called anomalous: a frame by its score, or a whole video by its highest."""
    split: str
    selection: str
    threshold: float
    threshold_from: Literal["validation"] = "validation"
    percent: float | None
    """None where nothing on the split is anomalous."""


class VideoMeasure(_Record):
    """One number on whole videos, each with one label and its highest score."""

    name: VideoMeasureName
    head: Head
    split: str
    selection: str
    percent: float | None
    """None where the videos are of one kind only."""
    low_percent: float | None
    """Lower end of the 95 % interval, by bootstrap over videos."""
    high_percent: float | None
    video_mean_percent: float | None = None
    """The same with the mean of each video's scores in place of the highest."""
    kept_percent: float | None = None
    """The share of the margin over chance that this control keeps; None where there is no margin."""


class Subject(NamedTuple):
    """What is measured, for the report."""

    dataset: str
    is_synthetic: bool
    network: str
    split: str
    selection: str

    @property
    def origin(self) -> dict[str, str]:
        """What every number repeats."""
        return {"split": self.split, "selection": self.selection}


class Report(_Record):
    """Measures of one network, or of one file of scores, on one split."""

    format: Literal["avadclip-evaluation/1"] = "avadclip-evaluation/1"
    dataset: str
    is_synthetic: bool
    """Whether the data was generated; the numbers then have no meaning for real video."""
    network: str
    """Of a checkpoint; or the name of a file of scores."""
    split: str
    selection: str
    classes: tuple[str, ...]
    num_videos: int
    num_frames: int
    """Scored frames: whole snippets only."""
    snippet_frames: int
    num_anomalous_videos: int | None = None
    """By label; None in reports of earlier versions."""
    positive_percent: float | None
    """Share of anomalous frames; the frame AP that a random score gets. None without annotated times."""
    normal_hours: float | None
    """Scored time in which nothing is annotated; what `per_hour` refers to. None without annotated times."""
    num_truths: dict[str, int]
    """Annotated intervals per anomaly class, clipped and merged as `strict` counts them."""
    measures: tuple[Measure, ...]
    """Of frames and events; none without annotated times."""
    auc_parts: tuple[AucParts, ...] = ()
    latency_ap: tuple[LatencyAp, ...] = ()
    video_measures: tuple[VideoMeasure, ...] = ()
    recalls: tuple[RecallAtLimit, ...] = ()
    hard_normals: tuple[HardNormals, ...] = ()
    num_hard_normals: int = 0
    """Normal videos that the user wants measured apart."""
    hard_normal_hours: float = 0.0
    false_alarms: tuple[FalseAlarms, ...] = ()
    f1: tuple[F1, ...] = ()
    notes: tuple[str, ...] = ()
    """What decides a number without showing in it."""

    def percent(
        self,
        name: MeasureName,
        *,
        head: Head = "alignment",
        protocol: Protocol = "frame",
        iou: float | str | None = None,
        label: str | None = None,
        part: Part = "percent",
    ) -> float | None:
        """One measure's value, or its control; KeyError where the report has no such measure."""
        key = (name, head, protocol, iou, label)
        for each in self.measures:
            if (each.name, each.head, each.protocol, each.iou, each.label) == key:
                return each.part(part)
        raise KeyError(key)

    @property
    def chance_percent(self) -> float:
        """The frame AP of a random score; ValueError where no times are annotated."""
        if self.positive_percent is None:
            raise ValueError("without annotated times there is no frame AP")
        return self.positive_percent

    @property
    def heads(self) -> tuple[Head, ...]:
        """Those that were measured, in order."""
        return tuple(dict.fromkeys(each.head for each in self.measures if each.protocol == "frame"))
