"""Score a split and measure it; every number carries its head, protocol, split and selection.

Where a video has a label but no times, whole videos are measured, and neither frames nor events.

Truth comes from the bags' intervals, for the scored frames: T snippets of the grid's frames each. Frames after the last
whole snippet are left out, as in the published protocol.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from avadclip.data.bags import Bag, Dataset
from avadclip.data.given_scores import GivenScores
from avadclip.data.published.annotations import build_frame_truth
from avadclip.errors import CheckpointError, DataError
from avadclip.evaluation.metrics.intervals import TruthInterval
from avadclip.evaluation.metrics.measure import (
    Curves,
    F1Thresholds,
    VideoTruth,
    choose_f1_thresholds,
    measure,
    measure_labels,
)
from avadclip.evaluation.metrics.records import Head, Report, Subject
from avadclip.inference.checkpoint import Checkpoint
from avadclip.inference.scoring import SnippetScores, score_features
from avadclip.model.base import System
from avadclip.timeline import SnippetGrid

Split = Literal["test", "validation"]
FEW_VIDEOS = 10  # of a kind; a bootstrap over fewer knows too little of what others would be like


def evaluate(
    model: System, dataset: Dataset, split: Split = "test", *, on_video: Callable[[str, int], None] | None = None
) -> Report:
    """Score every video of a split by the path that detection uses, and measure both heads of the model.

    A binary detector has one head. On the test split the threshold of F1 is chosen on the validation videos.

    Args:
        model: in eval mode; its `name`, `classes` and `selection` go into the report.
        dataset: may lack some of the model's classes. Frames and events need annotated intervals in every video.
        split: `test` or `validation`.
        on_video: called with a video's name and number, from 0, before it is scored; validation comes last.

    Raises:
        DataError: the split has no videos, or one with unusable intervals or without the sound that the model needs.
        CheckpointError: a score is not a finite number.
    """
    bags, grid, classes = dataset.bags_of(split), dataset.grid, model.classes
    validation = dataset.validation if split == "test" else ()
    truths, about_truth = _truths(bags, classes, grid)
    silent = _first_without_sound(model, bags)
    if silent is not None:
        raise DataError(f"{silent} has no sound, which the {model.name} needs; leave out videos without sound")

    def score(bag: Bag, index: int) -> SnippetScores:
        if on_video is not None:
            on_video(bag.name, index)
        return score_bag(model, bag)

    scores = [score(bag, index) for index, bag in enumerate(bags)]
    f1_thresholds: F1Thresholds = {}
    reason = _why_no_f1(model, validation)
    if reason is None:
        of_validation = [score(bag, index) for index, bag in enumerate(validation, start=len(bags))]
        f1_thresholds, reason = _choose_f1_thresholds(of_validation, validation, classes, grid)
    subject = Subject(dataset.name, dataset.is_synthetic, model.name, split, model.selection)
    notes = [*dataset.notes, *([] if reason is None else [reason]), *about_truth]
    if truths is None:
        return measure_labels(
            subject,
            [bag.is_anomalous for bag in bags],
            anomaly_curves(scores),
            classes=classes,
            grid=grid,
            num_frames=_num_frames(bags, grid),
            f1_thresholds=f1_thresholds,
            notes=notes,
        )
    class_maps = _class_maps(scores)
    binary = [f"no mAP and no head alignment: the {model.name} does not name classes"] if class_maps is None else []
    return measure(
        subject,
        truths,
        anomaly_curves(scores),
        None if class_maps is None else ("alignment", class_maps),
        classes=classes,
        grid=grid,
        f1_thresholds=f1_thresholds,
        notes=[*notes, *binary],
    )


def evaluate_given(
    given: GivenScores, dataset: Dataset, split: Split = "test", *, selection: str = "unknown"
) -> Report:
    """Measure predictions from elsewhere, read by data.given_scores.read_scores for the videos of this split.

    Class probabilities give the anomaly score 1 - p(normal), and mAP. Without them there is no mAP, and there is never
    an F1: a threshold needs scores of validation videos.
    """
    probabilities, classes = given.probabilities, dataset.classes
    columns = [] if probabilities is None else [f"its columns are read as {', '.join(classes)}"]
    bags, grid = dataset.bags_of(split), dataset.grid
    subject = Subject(dataset.name, dataset.is_synthetic, given.name, split, selection)
    truths, about_truth = _truths(bags, classes, grid)
    no_f1 = "no F1: its threshold needs scores of validation videos too"
    notes = [*dataset.notes, *given.notes, *columns, no_f1, *about_truth]
    if truths is None:
        return measure_labels(
            subject,
            [bag.is_anomalous for bag in bags],
            {"given": given.anomaly_scores},
            classes=classes,
            grid=grid,
            num_frames=_num_frames(bags, grid),
            notes=notes,
        )
    return measure(
        subject,
        truths,
        {"given": given.anomaly_scores},
        None if probabilities is None else ("given", probabilities),
        classes=classes,
        grid=grid,
        frames_per_row=given.frames_per_row,
        notes=notes,
    )


def _truths(
    bags: Sequence[Bag], classes: Sequence[str], grid: SnippetGrid
) -> tuple[list[VideoTruth] | None, list[str]]:
    """The truth of every video, None where one has no times; and notes. Raises as video_truth."""
    truths = [video_truth(bag, classes, grid) for bag in bags if bag.intervals is not None]
    timeless = [bag.name for bag in bags if bag.intervals is None]
    notes = []
    if timeless:
        notes.append(
            f"whole videos only: {len(timeless)} of {len(bags)} have a label but no times, the first is {timeless[0]}"
        )
    num_anomalous = sum(bag.is_anomalous for bag in bags)
    if 0 < min(num_anomalous, len(bags) - num_anomalous) < FEW_VIDEOS:
        notes.append(
            f"video AP and AUC: with {num_anomalous} anomalous and {len(bags) - num_anomalous} normal videos "
            "the 95 % intervals are too narrow"
        )
    late = [
        bag.name
        for bag, truth in zip((bag for bag in bags if bag.intervals is not None), truths, strict=True)
        for interval in truth.intervals
        if interval.start >= len(truth.is_positive)
    ]
    if late:
        notes.append(f"{len(late)} events start after the last scored frame, so no frame of theirs counts: {late[0]}")
    return (None if timeless else truths), notes


def _num_frames(bags: Sequence[Bag], grid: SnippetGrid) -> int:
    return sum(len(bag.stored) for bag in bags) * grid.snippet_frames


def video_truth(bag: Bag, classes: Sequence[str], grid: SnippetGrid) -> VideoTruth:
    """Truth of the scored frames; ends are rounded to whole frames. Raises DataError, naming the video."""

    def to_frame(seconds: float) -> int:
        return round(seconds * grid.frame_rate_hz)

    if bag.intervals is None:
        raise DataError(
            f"{bag.name} has no annotated intervals; add its times (none for a normal video) to evaluate it"
        )
    if bag.is_anomalous != bool(bag.intervals):
        found = "anomalous, but has no interval" if bag.is_anomalous else "normal, but has anomalous intervals"
        raise DataError(f"{bag.name} is labelled {found}; correct its label or its intervals")
    intervals = []
    for label, start_seconds, end_seconds in bag.intervals:
        if label not in classes[1:]:
            raise DataError(f"{bag.name} has an interval of `{label}`; known are {', '.join(classes[1:])}")
        if not 0 <= start_seconds < end_seconds < float("inf"):
            raise DataError(
                f"{bag.name} has an interval from {start_seconds} to {end_seconds} s; needed 0 <= start < end"
            )
        intervals.append(TruthInterval(classes.index(label), to_frame(start_seconds), to_frame(end_seconds)))
    if bag.anomalous_spans is None:
        spans = [(to_frame(start), to_frame(end)) for _, start, end in bag.intervals]
    else:
        spans = [(to_frame(start), to_frame(end)) for start, end in bag.anomalous_spans]
    is_positive = build_frame_truth(spans, len(bag.stored), snippet_frames=grid.snippet_frames)
    return VideoTruth(tuple(intervals) or (TruthInterval(0, 0, len(is_positive)),), is_positive)


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
        misfit = header.misfit(bag.stored)
        if misfit is not None:
            remedy = (
                "name the recipe's data and seed"
                if dataset.is_synthetic
                else f"extract with --encoders {header.encoders}"
            )
            raise DataError(f"the features of {bag.name} do not fit {header.name} ({misfit}); {remedy}")


def _first_without_sound(model: System, bags: Sequence[Bag]) -> str | None:
    """The first video without the sound that the model needs."""
    if not model.uses_audio:
        return None
    return next((bag.name for bag in bags if bag.stored.audio_width == 0), None)


def score_bag(model: System, bag: Bag) -> SnippetScores:
    """Score one bag; CheckpointError, naming the network, where a score is not a finite number."""
    scores = score_features(model, bag.load())
    if not all(np.isfinite(part).all() for part in scores if part is not None):
        raise CheckpointError(f"the {model.name} gives {bag.name} scores that are not finite; train it again")
    return scores


def _class_maps(scores: Sequence[SnippetScores]) -> Curves | None:
    """None from a binary detector."""
    named = [each.class_probabilities for each in scores if each.class_probabilities is not None]
    return named if len(named) == len(scores) else None


def anomaly_curves(scores: Sequence[SnippetScores]) -> dict[Head, Curves]:
    """Anomaly scores by head, one array [T] per bag."""
    curves: dict[Head, Curves] = {"classifier": [each.anomaly_scores for each in scores]}
    class_maps = _class_maps(scores)
    if class_maps is not None:
        curves["alignment"] = [1 - probabilities[:, 0] for probabilities in class_maps]
    return curves


def _why_no_f1(model: System, validation: Sequence[Bag]) -> str | None:
    if not validation:
        return "no F1: its threshold needs validation videos apart from those measured"
    if not any(bag.is_anomalous for bag in validation):
        return "no F1: no validation video to choose its threshold on is anomalous"
    silent = _first_without_sound(model, validation)
    return None if silent is None else f"no F1: {silent}, of validation, has no sound, which the {model.name} needs"


def _choose_f1_thresholds(
    scores: Sequence[SnippetScores], validation: Sequence[Bag], classes: Sequence[str], grid: SnippetGrid
) -> tuple[F1Thresholds, str | None]:
    """The thresholds, and why there is none for frames."""
    is_anomalous = [bag.is_anomalous for bag in validation]
    timeless = next((bag.name for bag in validation if bag.intervals is None), None)
    if timeless is not None:
        reason = f"no F1 of frames: {timeless}, of validation, has no annotated times to choose a threshold by"
        return choose_f1_thresholds(anomaly_curves(scores), None, is_anomalous), reason
    truths = [video_truth(bag, classes, grid) for bag in validation]
    return choose_f1_thresholds(anomaly_curves(scores), truths, is_anomalous), None
