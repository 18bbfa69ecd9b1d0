"""RTFM: anomalous snippets have feature vectors of large magnitude.

Tian et al., "Weakly-supervised Video Anomaly Detection with Robust Temporal Feature Magnitude Learning", ICCV 2021,
arXiv 2101.10030. From the authors' code: every convolution is followed by ReLU and batch normalisation; in training, a
snippet is picked only if a dropout on the magnitudes keeps it; smoothness is a sum over all anomalous bags of a batch,
sparsity the Euclidean norm of all their scores together. Decided here: no smoothness from one bag to the next, which
that code has by laying the bags in one row; statistics of the batch normalisation leave padding out; `reduce` and
`join` have a bias and the non-local block's `out` has none, which that code has the other way round.
"""

from abc import abstractmethod
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from avadclip.baselines.layers import MultiScaleTemporal
from avadclip.model.base import Batch, Losses, Outputs, System
from avadclip.model.losses import largest_mask, mean_score_loss, picked_mean, smoothness_loss
from avadclip.model.projection import build_projection, fit_projection

WIDTH = 512  # D, that of CLIP's features
HIDDEN_DIMS = (512, 128)
DROPOUT = 0.7
NUM_PICKED = 3  # snippets of a bag
MARGIN = 100.0  # what the magnitude of a picked anomalous snippet is drawn to
MAGNITUDE_WEIGHT, SMOOTHNESS_WEIGHT, SPARSITY_WEIGHT = 1e-4, 8e-4, 8e-3


class ScoredFeatures(NamedTuple):
    """Features whose magnitude indicates anomaly, and the logits computed from them."""

    features: Tensor
    """[B, T, D]"""
    anomaly_logits: Tensor
    """[B, T]"""


class MagnitudeNetwork(nn.Module):
    """Multi-scale temporal model, then a classifier of each snippet."""

    def __init__(self, dim: int, *, hidden_dims: tuple[int, int]) -> None:
        super().__init__()
        first, second = hidden_dims
        self.temporal = MultiScaleTemporal(dim)
        self.dropout = nn.Dropout(DROPOUT)
        self.classify = nn.Sequential(
            nn.Linear(dim, first),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(second, 1),
        )

    def forward(self, x: Tensor, mask: Tensor) -> ScoredFeatures:
        """x: [B, T, D]; mask: [B, T] bool."""
        features = self.dropout(self.temporal(x, mask))
        return ScoredFeatures(features, self.classify(features).squeeze(-1))


class MagnitudeSystem(System):
    """A system on visual features with RTFM's objective: its subclasses differ in what the network reads."""

    uses_audio = False
    pairing = "paired"
    visual_projection: nn.Module
    network: MagnitudeNetwork

    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """Score bags or windows."""
        del audio
        return Outputs(self._score(visual, mask).anomaly_logits)

    def losses(self, batch: Batch) -> Losses:
        """See magnitude_losses."""
        visual, _, mask = batch.bags
        return magnitude_losses(self._score(visual, mask), mask, batch.targets, training=self.training)

    def fit_projections(self, visual: Tensor, audio: Tensor | None) -> None:
        """See System."""
        del audio
        fit_projection(self.visual_projection, visual)

    @abstractmethod
    def _score(self, visual: Tensor | None, mask: Tensor) -> ScoredFeatures: ...


class Rtfm(MagnitudeSystem):
    """RTFM. Recipe: Adam 1e-3, weight decay 5e-3, 32 normal and 32 anomalous bags of 32 snippets a step."""

    def __init__(self, *, visual_dim: int) -> None:
        super().__init__()
        self.visual_projection = build_projection(visual_dim, WIDTH)
        self.network = MagnitudeNetwork(WIDTH, hidden_dims=HIDDEN_DIMS)

    def _score(self, visual: Tensor | None, mask: Tensor) -> ScoredFeatures:
        scored: ScoredFeatures = self.network(self.visual_projection(visual), mask)
        return scored


def magnitude_losses(scored: ScoredFeatures, mask: Tensor, targets: Tensor, *, training: bool) -> Losses:
    """RTFM's objective.

    Args:
        scored: of B bags, first the normal ones, then as many anomalous ones.
        mask: [B, T] bool
        targets: [B, C] in {0, 1}
        training: whether dropout hides snippets from being picked.
    """
    magnitudes = functional.dropout(scored.features.norm(dim=-1), DROPOUT, training)
    picked = largest_mask(magnitudes, mask, NUM_PICKED)
    normal, anomalous = picked_mean(scored.features, picked).norm(dim=-1).chunk(2)
    scores, is_scored = scored.anomaly_logits.sigmoid().chunk(2)[1], mask.chunk(2)[1]
    return {
        "anomaly": mean_score_loss(scored.anomaly_logits, picked, targets),
        "magnitude": MAGNITUDE_WEIGHT * ((MARGIN - anomalous).abs() + normal).square().mean(),
        "smoothness": SMOOTHNESS_WEIGHT * len(scores) * smoothness_loss(scores, is_scored),
        "sparsity": SPARSITY_WEIGHT * scores[is_scored].norm(),
    }
