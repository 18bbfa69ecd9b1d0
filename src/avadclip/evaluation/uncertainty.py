"""What a student's theta = ln sigma^2 shows: damaged pictures, and how far its features are from its teacher's."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from avadclip.data.bags import Bag, collate, damaged_snippets
from avadclip.model.base import System


class UncertaintyMeasures(NamedTuple):
    """Over the snippets of bags, some of which are damaged."""

    distance_auroc: float
    """Probability that a damaged snippet has a larger d^2 than an undamaged one."""
    variance_auroc: float
    """The same of theta."""
    correlation: float
    """Of theta and ln d^2, each a mean over channels; mean over bags."""


class SnippetUncertainty(NamedTuple):
    """Values of every snippet, [T]."""

    squared_distance: NDArray[np.float32]
    """d^2 to the teacher's features of the clear picture, mean over channels."""
    log_squared_distance: NDArray[np.float32]
    """ln d^2, mean over channels."""
    log_variance: NDArray[np.float32]
    """theta, mean over channels."""
    is_damaged: NDArray[np.bool_]


def measure_uncertainty(student: System, teacher: System, bags: Sequence[Bag]) -> UncertaintyMeasures:
    """Measure a visual student with an uncertainty head.

    Args:
        student: sees the bags as they are.
        teacher: sees their clear copies.
        bags: of 256 snippets at most, with sound, damaged in part.
    """
    every = [snippet_uncertainty(student, teacher, bag) for bag in bags]
    distance, _, variance, is_damaged = (np.concatenate(values) for values in zip(*every, strict=True))
    return UncertaintyMeasures(
        float(roc_auc_score(is_damaged, distance)),
        float(roc_auc_score(is_damaged, variance)),
        float(np.mean([np.corrcoef(each.log_variance, each.log_squared_distance)[0, 1] for each in every])),
    )


@torch.inference_mode()
def snippet_uncertainty(student: System, teacher: System, bag: Bag) -> SnippetUncertainty:
    """Values of one bag; see measure_uncertainty."""
    taught = teacher(*collate([bag.undamaged], pad_to_window=teacher.pads_to_window).bags)
    learned = student(*collate([bag], pad_to_window=student.pads_to_window).bags)
    num_snippets = len(bag.stored)
    squared = (taught.features - learned.features)[0, :num_snippets] ** 2
    theta = learned.log_variance[0, :num_snippets]
    is_damaged = damaged_snippets([bag], num_snippets)[0]
    values = (squared.mean(dim=-1), squared.log().mean(dim=-1), theta.mean(dim=-1), is_damaged)
    return SnippetUncertainty(*(each.numpy() for each in values))
