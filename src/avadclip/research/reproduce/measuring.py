"""Evaluation of a run on a test split."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from avadclip.data.bags import Bag, Dataset, feature_widths
from avadclip.data.given_scores import GivenScores
from avadclip.errors import DataError
from avadclip.evaluation.evaluate import evaluate, evaluate_given
from avadclip.evaluation.metrics.records import Report
from avadclip.inference.checkpoint import load_checkpoint


def measure_random(dataset: Dataset, seed: int) -> Report:
    """Report of random scores."""
    bags = _annotated(dataset)
    random = np.random.default_rng(seed)
    rows = [random.random((len(bag.stored), len(dataset.classes))) for bag in bags]
    given = GivenScores(
        "random scores", tuple(row / row.sum(axis=1, keepdims=True) for row in rows), dataset.grid.snippet_frames, ()
    )
    return evaluate_given(given, dataset, selection="none")


def measure_checkpoint(path: Path, kind: str, dataset: Dataset, *, is_foreign: bool) -> Report:
    """The report of one network of a checkpoint.

    Args:
        path: of the checkpoint.
        kind: which of its networks.
        dataset: to test on.
        is_foreign: it was trained on another dataset with possibly other classes and snippets, so that only frame-level
            measures are meaningful.

    Raises:
        DataError, CheckpointError: the network cannot score the test split.
    """
    checkpoint = load_checkpoint(path)
    header = checkpoint.header
    bags = _annotated(dataset)
    if is_foreign:
        bags = tuple(_as_one_class(bag, header.classes[1]) for bag in bags)
        _check_widths(bags, (header.visual_dim, header.audio_dim), dataset.name)
    # The tables print no F1, so validation videos need not be scored.
    return evaluate(checkpoint.networks[kind], replace(dataset, test=bags, validation=()))


def _annotated(dataset: Dataset) -> tuple[Bag, ...]:
    """The test videos; DataError where one has no times: the tables measure frames and events."""
    bags = dataset.bags_of("test")
    timeless = next((bag.name for bag in bags if bag.intervals is None), None)
    if timeless is not None:
        raise DataError(f"{timeless} has no annotated intervals, which the tables need; add its times")
    return bags


def _as_one_class(bag: Bag, label: str) -> Bag:
    """Merge all events into one class, for datasets with different classes."""
    return replace(bag, intervals=tuple(interval._replace(label=label) for interval in bag.intervals or ()))


def _check_widths(bags: Sequence[Bag], needed: tuple[int, int], name: str) -> None:
    found = feature_widths(bags)
    if found != needed:
        raise DataError(
            f"the features of {name} are {found[0]} and {found[1]} wide, needed {needed[0]} and {needed[1]}; "
            "extract both datasets with the same encoders"
        )
