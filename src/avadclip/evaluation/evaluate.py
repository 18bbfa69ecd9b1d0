"""Score a split and measure it; every number carries its head, protocol, split and selection.

Where a video has a label but no times, whole videos are measured, and neither frames nor events.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from avadclip.data.bags import Bag, Dataset
from avadclip.data.given_scores import GivenScores
from avadclip.errors import CheckpointError, DataError
from avadclip.evaluation.metrics.f1 import F1Thresholds, choose_f1_thresholds
from avadclip.evaluation.metrics.measure import measure, measure_labels
from avadclip.evaluation.metrics.records import Head, Report, Subject
from avadclip.evaluation.metrics.truth import Curves
from avadclip.evaluation.truths import split_truths, video_truth
from avadclip.inference.checkpoint import Checkpoint
from avadclip.inference.scoring import SnippetScores, score_features
from avadclip.model.base import System
from avadclip.timeline import SnippetGrid

Split = Literal["test", "validation"]


def evaluate(
    model: System,
    dataset: Dataset,
    split: Split = "test",
    *,
    hard_normals: Sequence[str] = (),
    on_video: Callable[[str, int], None] | None = None,
) -> Report:
    """Score every video of a split by the path that detection uses, and measure both heads of the model.

    A binary detector has one head. On the test split the threshold of F1 is chosen on the validation videos.

    Args:
        model: in eval mode; its `name`, `classes` and `selection` go into the report.
        dataset: may lack some of the model's classes. Frames and events need annotated intervals in every video.
        split: `test` or `validation`.
        hard_normals: names of normal videos of the split whose false alarms are measured apart.
        on_video: called with a video's name and number, from 0, before it is scored; validation comes last.

    Raises:
        DataError: the split has no videos, or one with unusable intervals or without the sound that the model needs; or
            it lacks a hard normal one.
        CheckpointError: a score is not a finite number.
    """
    bags, grid, classes = dataset.bags_of(split), dataset.grid, model.classes
    validation = dataset.validation if split == "test" else ()
    truths, about_truth = split_truths(bags, classes, grid, hard_normals)
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
        normal_has_legacy_truth=dataset.normal_has_legacy_truth,
        notes=[*notes, *binary],
    )


def evaluate_given(
    given: GivenScores,
    dataset: Dataset,
    split: Split = "test",
    *,
    hard_normals: Sequence[str] = (),
    selection: str = "unknown",
) -> Report:
    """Measure predictions from elsewhere, read by data.given_scores.read_scores for the videos of this split.

    Class probabilities give the anomaly score 1 - p(normal), and mAP. Without them there is no mAP, and there is never
    an F1: a threshold needs scores of validation videos.
    """
    probabilities, classes = given.probabilities, dataset.classes
    columns = [] if probabilities is None else [f"its columns are read as {', '.join(classes)}"]
    bags, grid = dataset.bags_of(split), dataset.grid
    subject = Subject(dataset.name, dataset.is_synthetic, given.name, split, selection)
    truths, about_truth = split_truths(bags, classes, grid, hard_normals)
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
        normal_has_legacy_truth=dataset.normal_has_legacy_truth,
        notes=notes,
    )


def _num_frames(bags: Sequence[Bag], grid: SnippetGrid) -> int:
    return sum(len(bag.stored) for bag in bags) * grid.snippet_frames


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
