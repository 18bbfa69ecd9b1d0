"""From features to scores: the one path that evaluation and detection share, so what is measured is what is served."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from avadclip.baselines.system import System, Trained
from avadclip.events import UNNAMED_CLASSES, ScoreTrack
from avadclip.features.snippets import SnippetFeatures
from avadclip.model.models import Bags, TrainedNetwork
from avadclip.timeline import WINDOW_SNIPPETS, SnippetGrid

WINDOWS_PER_PASS = 4  # bounds memory on videos of many hours


class SnippetScores(NamedTuple):
    """What one network says of every snippet."""

    anomaly_scores: NDArray[np.float32]
    """Classification branch, [T], within [0, 1]."""
    class_probabilities: NDArray[np.float32] | None
    """Alignment branch, [T, C], rows sum to 1; None from a system that finds, but does not name."""


def to_track(scores: SnippetScores, classes: tuple[str, ...], grid: SnippetGrid, *, end_seconds: float) -> ScoreTrack:
    """Scores on the clock; those of a system that does not name classes get UNNAMED_CLASSES.

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
def score_features(trained: Trained, features: SnippetFeatures, *, crop: int = 0) -> SnippetScores:
    """Score a whole video in windows of 256 snippets, joined (the published test protocol).

    The audio-visual prompt is taken over the whole video in the variant `paper`, window by window in `released`.

    Args:
        trained: in eval mode; its own device is used.
        features: as wide as the network was built for; the teacher and other networks that hear need sound.
        crop: which view of the crop set.
    """
    if isinstance(trained, System):
        return _score_by_system(trained, features, crop)
    return _score_by_network(trained, features, crop)


def _score_by_system(system: System, features: SnippetFeatures, crop: int) -> SnippetScores:
    device = next(system.parameters()).device
    anomaly_scores, class_probabilities = [], []
    for part in _passes(features, crop, min(WINDOW_SNIPPETS, len(features))):
        outputs = system(part.to(device))
        anomaly_scores.append(outputs.anomaly_logits.sigmoid().cpu()[part.valid].numpy())
        if outputs.class_logits is not None:
            class_probabilities.append(outputs.class_logits.softmax(dim=-1).cpu()[part.valid].numpy())
    joined = np.concatenate(class_probabilities) if class_probabilities else None
    return SnippetScores(np.concatenate(anomaly_scores), joined)


def _score_by_network(trained: TrainedNetwork, features: SnippetFeatures, crop: int) -> SnippetScores:
    network, class_features = trained
    whole_windows = network.variant == "released"  # else a video shorter than a window is not padded
    length = WINDOW_SNIPPETS if whole_windows else min(WINDOW_SNIPPETS, len(features))
    # What the uncertainty head says is no score; of hours of video it would be as large as the features.
    passes = [
        (network.encode(part.to(class_features.device))._replace(log_variance=None), part.valid)
        for part in _passes(features, crop, length)
    ]
    of_video = torch.cat([encoded.pooled for encoded, _ in passes]).sum(dim=0, keepdim=True)
    anomaly_scores, class_probabilities = [], []
    for encoded, valid in passes:
        pooled = encoded.pooled if whole_windows else of_video.expand_as(encoded.pooled)
        alignment_logits = network.align(encoded.features, class_features, pooled)
        anomaly_scores.append(encoded.anomaly_logits.sigmoid().cpu()[valid].numpy())
        class_probabilities.append(alignment_logits.softmax(dim=-1).cpu()[valid].numpy())
    return SnippetScores(np.concatenate(anomaly_scores), np.concatenate(class_probabilities))


def _passes(features: SnippetFeatures, crop: int, length: int) -> Iterator[Bags]:
    """The video's windows of `length` snippets, a pass at a time."""
    for start in range(0, len(features), WINDOWS_PER_PASS * length):
        yield _cut_windows(features, crop, start, length)


@torch.inference_mode()
def student_variance(trained: TrainedNetwork, features: SnippetFeatures, *, crop: int = 0) -> NDArray[np.float32]:
    """sigma^2 of a student's features, [T], above 0: the geometric mean over channels, exp(mean_d theta_d).

    It means something only for a student that was distilled with uncertainty: otherwise its head was never trained.

    Args:
        trained: a student in eval mode.
        features: see score_features.
        crop: which view of the crop set.
    """
    network, class_features = trained
    length = WINDOW_SNIPPETS if network.variant == "released" else min(WINDOW_SNIPPETS, len(features))
    variances = []
    for part in _passes(features, crop, length):
        log_variance = network.encode(part.to(class_features.device)).log_variance
        if log_variance is None:
            raise ValueError("a teacher has no uncertainty head")
        variances.append(log_variance.mean(dim=-1).exp().cpu()[part.valid].numpy())
    return np.concatenate(variances)


def _cut_windows(features: SnippetFeatures, crop: int, start: int, length: int) -> Bags:
    """One pass's windows from snippet `start` on, as rows; the video's last one padded with zeros; [W, length, ..]."""
    num_snippets = min(WINDOWS_PER_PASS * length, len(features) - start)
    num_windows = -(-num_snippets // length)

    def cut(rows: NDArray[np.float32]) -> Tensor:
        own = torch.from_numpy(rows[start : start + num_snippets])
        return functional.pad(own, (0, 0, 0, num_windows * length - num_snippets)).reshape(num_windows, length, -1)

    valid = torch.arange(num_windows * length) < num_snippets
    audio = None if features.audio is None else cut(features.audio)
    return Bags(cut(features.visual[crop]), audio, valid.reshape(num_windows, length))
