"""Score a split and measure it; every number says which head gave it, by which protocol, where, and how it was chosen.

Truth is what the bags' intervals say of the scored frames: T snippets of the grid's frames each. Frames after the last
whole snippet are left out, as in the published protocol.
"""

from collections.abc import Callable, Sequence

import numpy as np

from avadclip.baselines.system import Trained
from avadclip.data.bags import Bag, Dataset
from avadclip.data.given_scores import GivenScores
from avadclip.data.published.annotations import build_frame_truth
from avadclip.errors import CheckpointError, DataError
from avadclip.evaluation.metrics.intervals import TruthInterval
from avadclip.evaluation.metrics.measure import Curves, F1Thresholds, VideoTruth, choose_f1_thresholds, measure
from avadclip.evaluation.metrics.records import Head, Report, Subject
from avadclip.inference.checkpoint import Checkpoint
from avadclip.inference.scoring import SnippetScores, score_features
from avadclip.timeline import SnippetGrid


def evaluate(
    trained: Trained,
    bags: Sequence[Bag],
    classes: Sequence[str],
    grid: SnippetGrid,
    *,
    network: str,
    split: str,
    selection: str,
    dataset: str,
    is_synthetic: bool,
    validation: Sequence[Bag] = (),
    notes: Sequence[str] = (),
    on_video: Callable[[str, int], None] | None = None,
) -> Report:
    """Score every bag by the path that detection uses, and measure both heads; the classifier's alone without classes.

    Args:
        trained: in eval mode.
        bags: annotated, with intervals.
        classes: C names in the order of the network's classes, `normal` first; the data may lack some.
        grid: how the bags' snippets were cut; turns the intervals' seconds into frames.
        network: its name, for the report; as are `split`, `selection` (how its weights were chosen) and `dataset`.
        is_synthetic: the data was generated, and the report says so.
        validation: videos to choose the threshold of F1 on, none of them among `bags`; without them no F1.
        notes: on the data, for the report.
        on_video: called with a video's name and number, from 0, before it is scored; validation comes last.

    Raises:
        DataError: a bag has no intervals, or unusable ones, or lacks the sound that the network needs.
        CheckpointError: the network gives something else than numbers.
    """
    _check_filled(bags, split, dataset)
    truths = [video_truth(bag, classes, grid) for bag in bags]
    unheard = _unheard(trained, bags)
    if unheard is not None:
        raise DataError(f"{unheard} has no sound, which the {network} needs; leave out videos without sound")

    def score(bag: Bag, index: int) -> SnippetScores:
        if on_video is not None:
            on_video(bag.name, index)
        return score_bag(trained, bag, network)

    scores = [score(bag, index) for index, bag in enumerate(bags)]
    f1_thresholds: F1Thresholds = {}
    reason = _why_no_f1(trained, validation, network)
    if reason is None:
        of_validation = [score(bag, index) for index, bag in enumerate(validation, start=len(bags))]
        f1_thresholds, reason = _choose_f1_thresholds(of_validation, validation, classes, grid)
    class_maps = _class_maps(scores)
    unnamed = [f"no mAP and no head alignment: the {network} does not name classes"] if class_maps is None else []
    return measure(
        Subject(dataset, is_synthetic, network, split, selection),
        truths,
        anomaly_curves(scores),
        None if class_maps is None else ("alignment", class_maps),
        classes=classes,
        grid=grid,
        f1_thresholds=f1_thresholds,
        notes=[*notes, *unnamed, *([] if reason is None else [reason])],
    )


def evaluate_given(
    given: GivenScores,
    bags: Sequence[Bag],
    classes: Sequence[str],
    grid: SnippetGrid,
    *,
    split: str,
    selection: str,
    dataset: str,
    is_synthetic: bool,
    notes: Sequence[str] = (),
) -> Report:
    """Measure somebody's predictions, read by data.given_scores.read_scores for these bags; see evaluate.

    Class probabilities give the anomaly score 1 - p(normal), and mAP. Without them there is no mAP, and there is never
    an F1: a threshold needs scores of validation videos.
    """
    _check_filled(bags, split, dataset)
    probabilities = given.probabilities
    columns = [] if probabilities is None else [f"its columns are read as {', '.join(classes)}"]
    return measure(
        Subject(dataset, is_synthetic, given.name, split, selection),
        [video_truth(bag, classes, grid) for bag in bags],
        {"given": given.anomaly_scores},
        None if probabilities is None else ("given", probabilities),
        classes=classes,
        grid=grid,
        frames_per_row=given.frames_per_row,
        notes=[*notes, *given.notes, *columns, "no F1: its threshold needs scores of validation videos too"],
    )


def video_truth(bag: Bag, classes: Sequence[str], grid: SnippetGrid) -> VideoTruth:
    """Truth of the scored frames; ends are rounded to whole frames. Raises DataError, naming the video."""

    def to_frame(seconds: float) -> int:
        return round(seconds * grid.frame_rate_hz)

    if bag.intervals is None:
        raise DataError(
            f"{bag.name} has no annotated intervals; add its times (none for a normal video) to evaluate it"
        )
    if bag.is_anomalous != bool(bag.intervals):
        found = "anomalous, but no interval says when" if bag.is_anomalous else "normal, but has anomalous intervals"
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
    is_positive = build_frame_truth(spans, len(bag.held), snippet_frames=grid.snippet_frames)
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
        misfit = header.misfit(bag.features)
        if misfit is not None:
            remedy = (
                "name the recipe's data and seed"
                if dataset.is_synthetic
                else f"extract with --encoders {header.encoders}"
            )
            raise DataError(f"the features of {bag.name} do not fit {header.name} ({misfit}); {remedy}")


def _check_filled(bags: Sequence[Bag], split: str, dataset: str) -> None:
    if not bags:
        raise DataError(f"the {split} split of {dataset} holds no videos; give a split that does")


def _unheard(trained: Trained, bags: Sequence[Bag]) -> str | None:
    """The first video without the sound that the network needs."""
    if not trained.hears:
        return None
    return next((bag.name for bag in bags if bag.held.audio_width == 0), None)


def score_bag(trained: Trained, bag: Bag, network: str) -> SnippetScores:
    """Score one bag; CheckpointError, naming the network, where a score is no number."""
    scores = score_features(trained, bag.features)
    if not all(np.isfinite(part).all() for part in scores if part is not None):
        raise CheckpointError(f"the {network} gives {bag.name} scores that are no numbers; train it again")
    return scores


def _class_maps(scores: Sequence[SnippetScores]) -> Curves | None:
    """None from a system that does not name classes."""
    named = [each.class_probabilities for each in scores if each.class_probabilities is not None]
    return named if len(named) == len(scores) else None


def anomaly_curves(scores: Sequence[SnippetScores]) -> dict[Head, Curves]:
    """What each head says of anomaly, one array [T] per bag."""
    curves: dict[Head, Curves] = {"classifier": [each.anomaly_scores for each in scores]}
    class_maps = _class_maps(scores)
    if class_maps is not None:
        curves["alignment"] = [1 - probabilities[:, 0] for probabilities in class_maps]
    return curves


def _why_no_f1(trained: Trained, validation: Sequence[Bag], network: str) -> str | None:
    if not validation:
        return "no F1: its threshold needs validation videos apart from those measured"
    if not any(bag.is_anomalous for bag in validation):
        return "no F1: no validation video to choose its threshold on is anomalous"
    unheard = _unheard(trained, validation)
    return None if unheard is None else f"no F1: {unheard}, of validation, has no sound, which the {network} needs"


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
