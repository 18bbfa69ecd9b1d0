"""The way into the networks for features that do not live in CLIP's joint space."""

import torch
from torch import Tensor, nn

STANDARD_LIMIT = 5.0  # standard deviations; an outlier of an unseen camera must not drown the other channels


class FeatureProjection(nn.Module):
    """Standardise by the training data's own mean and deviation, then Linear to D."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, feature_dim: int, embed_dim: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(feature_dim))
        self.register_buffer("deviation", torch.ones(feature_dim))
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(feature_dim, embed_dim)

    def fit(self, features: Tensor) -> None:
        """Take mean and deviation from training features, [N, feature_dim]; constant channels are not scaled."""
        self.mean.copy_(features.mean(dim=0))
        deviation = features.std(dim=0) if len(features) > 1 else torch.zeros_like(self.deviation)
        self.deviation.copy_(torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation)))

    def forward(self, features: Tensor) -> Tensor:
        """[B, T, feature_dim] to [B, T, D]."""
        projected: Tensor = self.linear(self.dropout(self.standardised(features)))
        return projected

    def standardised(self, features: Tensor) -> Tensor:
        """Features [.., feature_dim] as the layer sees them."""
        return ((features - self.mean) / self.deviation).clamp(-STANDARD_LIMIT, STANDARD_LIMIT)


def build_projection(feature_dim: int, embed_dim: int, *, dropout: float = 0.0) -> nn.Module:
    """Features as wide as D enter as they are; others are standardised and projected."""
    if feature_dim == embed_dim:
        return nn.Identity()
    return FeatureProjection(feature_dim, embed_dim, dropout=dropout)


def fit_projection(projection: nn.Module, rows: Tensor) -> None:
    """Standardise by training features, [N, feature_dim], where features do not enter as they are."""
    if isinstance(projection, FeatureProjection):
        projection.fit(rows)
