"""From features to scores: the one path that evaluation and detection share, so what is measured is what is served."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from avadclip.features.snippets import SnippetFeatures
from avadclip.nn.models import Bags, TrainedNetwork
from avadclip.timeline import WINDOW_SNIPPETS

WINDOWS_PER_PASS = 4  # bounds memory on videos of many hours


class SnippetScores(NamedTuple):
    """What one network says of every snippet."""

    anomaly_scores: NDArray[np.float32]
    """Classification branch, [T], within [0, 1]."""
    class_probabilities: NDArray[np.float32]
    """Alignment branch, [T, C], rows sum to 1."""


@torch.inference_mode()
def score_features(trained: TrainedNetwork, features: SnippetFeatures, *, crop: int = 0) -> SnippetScores:
    """Score a whole video in windows of 256 snippets, joined (the published test protocol).

    The audio-visual prompt is taken over the whole video in the variant `paper`, window by window in `released`.

    Args:
        trained: its network in eval mode; the device of its class features is used.
        features: as wide as the network was built for; the teacher needs sound.
        crop: which view of the crop set.
    """
    network, class_features = trained
    whole_windows = network.variant == "released"
    length = WINDOW_SNIPPETS if whole_windows else min(WINDOW_SNIPPETS, len(features))
    parts = (
        _cut_windows(features, crop, start, length) for start in range(0, len(features), WINDOWS_PER_PASS * length)
    )
    # What the uncertainty head says is no score; of hours of video it would be as large as the features.
    passes = [
        (network.encode(part.to(class_features.device))._replace(log_variance=None), part.valid) for part in parts
    ]
    of_video = torch.cat([encoded.pooled for encoded, _ in passes]).sum(dim=0, keepdim=True)
    anomaly_scores, class_probabilities = [], []
    for encoded, valid in passes:
        pooled = encoded.pooled if whole_windows else of_video.expand_as(encoded.pooled)
        alignment_logits = network.align(encoded.features, class_features, pooled)
        anomaly_scores.append(encoded.anomaly_logits.sigmoid().cpu()[valid].numpy())
        class_probabilities.append(alignment_logits.softmax(dim=-1).cpu()[valid].numpy())
    return SnippetScores(np.concatenate(anomaly_scores), np.concatenate(class_probabilities))


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
