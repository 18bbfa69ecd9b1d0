"""From features to scores: the one path that evaluation and detection share, so what is measured is what is served."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from avadclip.events import UNNAMED_CLASSES, ScoreTrack
from avadclip.features.snippets import SnippetFeatures
from avadclip.model.base import Bags, Outputs, System
from avadclip.model.either import BothStudents
from avadclip.timeline import WINDOW_SNIPPETS, SnippetGrid

WINDOWS_PER_PASS = 4  # bounds memory on videos of many hours


class SnippetScores(NamedTuple):
    """Scores of every snippet by one network."""

    anomaly_scores: NDArray[np.float32]
    """Classification branch, [T], within [0, 1]."""
    class_probabilities: NDArray[np.float32] | None
    """Alignment branch, [T, C], rows sum to 1; None from a binary detector, which predicts no classes."""


def to_track(scores: SnippetScores, classes: tuple[str, ...], grid: SnippetGrid, *, end_seconds: float) -> ScoreTrack:
    """Scores on the clock; those of a binary detector get UNNAMED_CLASSES.

    Args:
        scores: of a whole video.
        classes: those of the network, `normal` first.
        grid: of the snippets.
        end_seconds: end of the video.
    """
    probabilities = scores.class_probabilities
    if probabilities is None:
        classes = UNNAMED_CLASSES
        probabilities = np.stack([1.0 - scores.anomaly_scores, scores.anomaly_scores], axis=1)
    return ScoreTrack(
        scores=scores.anomaly_scores,
        class_probabilities=probabilities,
        classes=classes,
        snippet_seconds=grid.snippet_seconds,
        end_seconds=end_seconds,
    )


@torch.inference_mode()
def score_features(network: System, features: SnippetFeatures, *, crop: int = 0) -> SnippetScores:
    """Score a whole video in windows of 256 snippets, joined (the published test protocol).

    Args:
        network: in eval mode; its own device is used.
        features: as wide as the network was built for, with sound where the network uses audio.
        crop: which view of the crop set.
    """
    return _collect(network.score_windows(_passes(network, features, crop)), len(features))


class StudentScores(NamedTuple):
    """Scores of both students, joined and each by itself."""

    joined: SnippetScores
    visual: SnippetScores
    audio: SnippetScores


@torch.inference_mode()
def score_students(network: BothStudents, features: SnippetFeatures) -> StudentScores:
    """As score_features, with each student's own scores; each student runs once."""
    apart = list(network.score_apart(_passes(network, features, 0)))
    return StudentScores(*(_collect(outputs, len(features)) for outputs in zip(*apart, strict=True)))


def _collect(passes: Iterable[Outputs], num_snippets: int) -> SnippetScores:
    anomaly_scores, class_probabilities = [], []
    for outputs in passes:
        anomaly_scores.append(outputs.scores.cpu().flatten())
        if outputs.class_logits is not None:
            class_probabilities.append(outputs.class_logits.softmax(dim=-1).cpu().flatten(end_dim=1))
    # Padding stands at the end of the last window alone.
    scores = torch.cat(anomaly_scores)[:num_snippets].numpy()
    probabilities = torch.cat(class_probabilities)[:num_snippets].numpy() if class_probabilities else None
    return SnippetScores(scores, probabilities)


@torch.inference_mode()
def student_variance(network: System, features: SnippetFeatures, *, crop: int = 0) -> NDArray[np.float32]:
    """sigma^2 of a student's features, [T], above 0: the geometric mean over channels, exp(mean_d theta_d).

    It has a meaning only after distillation with uncertainty: otherwise the head is untrained, and in the variant
    `paper` everything is 1.

    Args:
        network: a student in eval mode; ValueError where it has no uncertainty head.
        features: see score_features.
        crop: which view of the crop set.
    """
    variances = []
    for windows in _passes(network, features, crop):
        log_variance = network(*windows).log_variance
        if log_variance is None:
            raise ValueError("this network has no uncertainty head; needed a student of this version")
        variances.append(log_variance.mean(dim=-1).exp().cpu().flatten())
    return torch.cat(variances)[: len(features)].numpy()


def _passes(network: System, features: SnippetFeatures, crop: int) -> Iterator[Bags]:
    """The windows of a video, WINDOWS_PER_PASS at a time, on the network's device."""
    device = next(network.parameters()).device
    length = WINDOW_SNIPPETS if network.pads_to_window else min(WINDOW_SNIPPETS, len(features))
    for start in range(0, len(features), WINDOWS_PER_PASS * length):
        yield _cut_windows(features, crop, start, length).to(device)


def _cut_windows(features: SnippetFeatures, crop: int, start: int, length: int) -> Bags:
    """One pass's windows from snippet `start` on, as rows; the video's last one padded with zeros; [W, length, ..]."""
    num_snippets = min(WINDOWS_PER_PASS * length, len(features) - start)
    num_windows = -(-num_snippets // length)

    def cut(rows: NDArray[np.float32]) -> Tensor:
        own = torch.from_numpy(rows[start : start + num_snippets])
        return functional.pad(own, (0, 0, 0, num_windows * length - num_snippets)).reshape(num_windows, length, -1)

    mask = torch.arange(num_windows * length) < num_snippets
    audio = None if features.audio is None else cut(features.audio)
    return Bags(cut(features.visual[crop]), audio, mask.reshape(num_windows, length))
