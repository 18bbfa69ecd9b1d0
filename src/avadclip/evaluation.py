"""Score a split and measure it; every number says which head gave it, by which protocol, where, and how it was chosen.

Truth is what the bags' intervals say of the scored frames: T snippets of the grid's frames each. Frames after the last
whole snippet are left out, as in the published protocol.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from avadclip.checkpoint import Checkpoint
from avadclip.data.bags import Bag, Dataset
from avadclip.errors import CheckpointError, DataError
from avadclip.metrics.frame import frame_measures
from avadclip.metrics.intervals import IOU_THRESHOLDS, MapResult, TruthInterval
from avadclip.metrics.legacy_map import legacy_map
from avadclip.metrics.strict_map import strict_map
from avadclip.nn.models import StudentEncoder, TrainedNetwork
from avadclip.scoring import SnippetScores, score_features
from avadclip.timeline import SnippetGrid

Head = Literal["classifier", "alignment"]
Protocol = Literal["frame", "legacy", "strict"]
MeasureName = Literal["frame_ap", "pr_auc", "roc_auc", "map", "class_ap"]
FRAME_MEASURES: tuple[MeasureName, ...] = ("frame_ap", "pr_auc", "roc_auc")
IOU_COLUMNS: tuple[float | Literal["AVG"], ...] = (*IOU_THRESHOLDS, "AVG")  # AVG: mean of the five, as in the papers


class Measure(BaseModel):
    """One number and everything it needs to be understood."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: MeasureName
    head: Head
    """`classifier`: its anomaly score. `alignment`: 1 - p(normal), or the class probabilities."""
    protocol: Protocol
    split: str
    selection: str
    """How the checkpoint was chosen: `last`, `validation`, or `test`."""
    iou: float | Literal["AVG"] | None = None
    """Threshold of mAP, or their mean; None at frame level."""
    label: str | None = None
    """The class of a `class_ap`."""
    percent: float | None
    """None where it is undefined: frames of one kind only, no truth."""


class Report(BaseModel):
    """What one network is worth on one split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["avadclip-evaluation/1"] = "avadclip-evaluation/1"
    dataset: str
    is_synthetic: bool
    """Whether the data was generated; the numbers then say nothing about real video."""
    network: str
    split: str
    selection: str
    classes: tuple[str, ...]
    num_videos: int
    num_frames: int
    """Scored frames: whole snippets only."""
    snippet_frames: int
    positive_percent: float
    """Share of anomalous frames; the frame AP that a random score gets."""
    num_truths: dict[str, int]
    """Annotated intervals per anomaly class, clipped and merged as `strict` counts them."""
    measures: tuple[Measure, ...]
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
    ) -> float | None:
        """One measure's value; KeyError where the report has no such measure."""
        key = (name, head, protocol, iou, label)
        for each in self.measures:
            if (each.name, each.head, each.protocol, each.iou, each.label) == key:
                return each.percent
        raise KeyError(key)


class VideoTruth(NamedTuple):
    """What is annotated in the scored frames of one video."""

    intervals: tuple[TruthInterval, ...]
    """In whole frames, not clipped; a normal video has one of `normal` over its length."""
    num_positive: NDArray[np.intp]
    """[T], anomalous frames in every snippet."""


def evaluate(
    trained: TrainedNetwork,
    bags: Sequence[Bag],
    classes: Sequence[str],
    grid: SnippetGrid,
    *,
    network: str,
    split: str,
    selection: str,
    dataset: str,
    is_synthetic: bool,
    on_video: Callable[[str, int], None] | None = None,
) -> Report:
    """Score every bag by the path that detection uses, and measure both heads.

    Args:
        trained: in eval mode.
        bags: annotated, with intervals.
        classes: C names in the order of the network's classes, `normal` first; the data may lack some.
        grid: how the bags' snippets were cut; turns the intervals' seconds into frames.
        network: its name, for the report; as are `split`, `selection` (how its weights were chosen) and `dataset`.
        is_synthetic: the data was generated, and the report says so.
        on_video: called with a video's name and number, from 0, before it is scored.

    Raises:
        DataError: a bag has no intervals, or unusable ones, or lacks the sound that the network needs.
        CheckpointError: the network gives something else than numbers.
    """
    if not bags:
        raise DataError(f"the {split} split of {dataset} holds no videos; give a split that does")
    truths = [video_truth(bag, classes, grid) for bag in bags]
    _check_sound(trained, bags, network)
    scores = []
    for index, bag in enumerate(bags):
        if on_video is not None:
            on_video(bag.name, index)
        scores.append(_score(trained, bag, network))
    probabilities = [each.class_probabilities for each in scores]
    intervals = [each.intervals for each in truths]
    legacy = legacy_map(probabilities, intervals, frames_per_snippet=grid.snippet_frames)
    strict = strict_map(probabilities, intervals, frames_per_snippet=grid.snippet_frames)
    origin = {"split": split, "selection": selection}
    num_positive = np.concatenate([each.num_positive for each in truths])
    num_frames = len(num_positive) * grid.snippet_frames
    return Report(
        dataset=dataset,
        is_synthetic=is_synthetic,
        network=network,
        split=split,
        selection=selection,
        classes=tuple(classes),
        num_videos=len(bags),
        num_frames=num_frames,
        snippet_frames=grid.snippet_frames,
        positive_percent=100 * int(num_positive.sum()) / num_frames,
        num_truths={label: int(count) for label, count in zip(classes[1:], strict.num_truths[1:], strict=True)},
        measures=(
            *_frame_level(origin, "classifier", [each.anomaly_scores for each in scores], num_positive, grid),
            *_frame_level(origin, "alignment", [1 - rows[:, 0] for rows in probabilities], num_positive, grid),
            *_event_level(origin, "legacy", legacy, classes),
            *_event_level(origin, "strict", strict, classes),
        ),
        notes=_notes(legacy, classes),
    )


def video_truth(bag: Bag, classes: Sequence[str], grid: SnippetGrid) -> VideoTruth:
    """Truth of the scored frames; ends are rounded to whole frames. Raises DataError, naming the video."""
    if bag.intervals is None:
        raise DataError(
            f"{bag.name} has no annotated intervals; add its times (none for a normal video) to evaluate it"
        )
    if bag.is_anomalous != bool(bag.intervals):
        found = "anomalous, but no interval says when" if bag.is_anomalous else "normal, but has anomalous intervals"
        raise DataError(f"{bag.name} is labelled {found}; correct its label or its intervals")
    num_frames = len(bag.features) * grid.snippet_frames
    is_positive = np.zeros(num_frames, dtype=bool)
    intervals = []
    for label, start_seconds, end_seconds in bag.intervals:
        if label not in classes[1:]:
            raise DataError(f"{bag.name} has an interval of `{label}`; known are {', '.join(classes[1:])}")
        if not 0 <= start_seconds < end_seconds < float("inf"):
            raise DataError(
                f"{bag.name} has an interval from {start_seconds} to {end_seconds} s; needed 0 <= start < end"
            )
        start, end = round(start_seconds * grid.frame_rate_hz), round(end_seconds * grid.frame_rate_hz)
        is_positive[start:end] = True
        intervals.append(TruthInterval(classes.index(label), start, end))
    per_snippet = is_positive.reshape(-1, grid.snippet_frames).sum(axis=1)
    return VideoTruth(tuple(intervals) or (TruthInterval(0, 0, num_frames),), per_snippet)


def check_fit(checkpoint: Checkpoint, dataset: Dataset) -> None:
    """Raise DataError unless the checkpoint's classes, snippets and features are those of the data."""
    header = checkpoint.header
    unknown = [label for label in dataset.classes if label not in header.classes]
    if unknown:
        raise DataError(
            f"{dataset.name} has the class `{unknown[0]}`, {header.name} knows {', '.join(header.classes)}; "
            "evaluate a checkpoint trained on these classes"
        )
    grids = (dataset.grid, header.features.grid)
    if grids[0] != grids[1]:
        found, needed = (f"{grid.snippet_frames} frames at {grid.frame_rate_hz:g} fps" for grid in grids)
        raise DataError(
            f"{dataset.name} has snippets of {found}, {header.name} needs {needed}; extract the features again"
        )
    for bag in (*dataset.validation, *dataset.test):
        misfit = header.misfit(bag.features)
        if misfit is not None:
            remedy = (
                "name the recipe's data and seed"
                if dataset.is_synthetic
                else f"extract with --encoders {header.encoders}"
            )
            raise DataError(f"the features of {bag.name} do not fit {header.name} ({misfit}); {remedy}")


def _check_sound(trained: TrainedNetwork, bags: Sequence[Bag], network: str) -> None:
    encoder = trained.network.encoder
    if isinstance(encoder, StudentEncoder) and encoder.modality == "visual":
        return
    for bag in bags:
        if bag.features.audio is None:
            raise DataError(f"{bag.name} has no sound, which the {network} needs; leave out videos without sound")


def _score(trained: TrainedNetwork, bag: Bag, network: str) -> SnippetScores:
    scores = score_features(trained, bag.features)
    if not all(np.isfinite(part).all() for part in scores):
        raise CheckpointError(f"the {network} gives {bag.name} scores that are no numbers; train it again")
    return scores


def _notes(legacy: MapResult, classes: Sequence[str]) -> tuple[str, ...]:
    notes = []
    silent = [label for label, count in zip(classes, legacy.num_proposals, strict=True) if not count]
    if silent:
        notes.append(f"mAP legacy is 0 throughout because one class has no proposal at all: {', '.join(silent)}")
    absent = [label for label, count in zip(classes, legacy.num_truths, strict=True) if not count]
    if absent:
        notes.append(f"mAP legacy counts classes without truth as 0, strict leaves them out: {', '.join(absent)}")
    return tuple(notes)


def _frame_level(
    origin: Mapping[str, str],
    head: Head,
    scores: Sequence[NDArray[np.floating]],
    num_positive: NDArray[np.intp],
    grid: SnippetGrid,
) -> list[Measure]:
    """All three measures of one head, over the frames of all videos together."""
    found = frame_measures(np.concatenate(scores), num_positive, grid.snippet_frames)
    return [
        Measure(name=name, head=head, protocol="frame", percent=_percent(value), **origin)
        for name, value in zip(FRAME_MEASURES, found, strict=True)
    ]


def _event_level(
    origin: Mapping[str, str], protocol: Protocol, result: MapResult, classes: Sequence[str]
) -> list[Measure]:
    """Mean and per class, at five IoU thresholds and their average."""
    rows: list[tuple[MeasureName, str | None, NDArray[np.float64]]] = [("map", None, result.mean)]
    rows += [("class_ap", label, row) for label, row in zip(classes, result.per_class, strict=True)]
    return [
        Measure(name=name, head="alignment", protocol=protocol, iou=iou, label=label, percent=_percent(value), **origin)
        for name, label, row in rows
        for iou, value in zip(IOU_COLUMNS, (*row.tolist(), float(row.mean())), strict=True)
    ]


def _percent(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else 100 * value
