"""From outputs and weak labels to named losses."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from avadclip.config import LossConfig, Variant
from avadclip.losses import FOCAL_ALPHA, alignment_mil_loss, anomaly_mil_loss, text_separation_loss
from avadclip.nn.models import Bags, Network


class Losses(NamedTuple):
    """The parts of one step's loss, each a scalar; `total` is what is minimised."""

    total: Tensor
    anomaly: Tensor
    alignment: Tensor
    text_separation: Tensor


class Objective(nn.Module):
    """L_BCE + L_ALIGN + weight * L_TEXT."""

    alpha: Tensor

    def __init__(self, config: LossConfig, *, num_classes: int, variant: Variant) -> None:
        super().__init__()
        self.config = config
        alpha = torch.full((num_classes,), FOCAL_ALPHA)
        if variant == "released":  # learned per class, unbounded
            self.alpha = nn.Parameter(alpha)
        else:
            self.register_buffer("alpha", alpha)

    def forward(self, network: Network, bags: Bags, targets: Tensor, class_features: Tensor) -> Losses:
        """targets: [B, C]; class_features: X_c, [C, D], made once per step."""
        encoded = network.encode(bags)
        alignment_logits = network.align(encoded.features, class_features, encoded.pooled)
        anomaly = anomaly_mil_loss(encoded.anomaly_logits, bags.valid, targets)
        alignment = alignment_mil_loss(
            alignment_logits, bags.valid, targets, alpha=self.alpha if self.config.focal else None
        )
        text = text_separation_loss(class_features)
        return Losses(anomaly + alignment + self.config.text_separation * text, anomaly, alignment, text)
