"""From outputs and weak labels to named losses."""

import torch
from torch import Tensor, nn

from avadclip.config import DistillationKind, Precision
from avadclip.model.base import Batch, Losses, Outputs, ShareWeights
from avadclip.model.losses import (
    FOCAL_ALPHA,
    alignment_mil_loss,
    anomaly_mil_loss,
    plain_distillation_loss,
    text_separation_loss,
    uncertainty_distillation_loss,
)


class Objective(nn.Module):
    """L_BCE + L_ALIGN + weights * (L_TEXT, L_UKD).

    Args:
        num_classes: C
        focal: False: L_ALIGN = L_NCE.
        text_separation: weight of L_TEXT.
        distillation: what a student learns from its teacher's features; `none` without a teacher.
        distillation_weight: of that term.
        precision: what the networks compute in; losses are always taken in float32.
    """

    alpha: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
        focal: bool = True,
        text_separation: float = 1e-4,
        distillation: DistillationKind = "none",
        distillation_weight: float = 1e-3,
        precision: Precision = "fp32",
    ) -> None:
        super().__init__()
        self.focal = focal
        self.text_separation = text_separation
        self.distillation = distillation
        self.distillation_weight = distillation_weight
        self.precision = precision
        self._make_alpha(torch.full((num_classes,), FOCAL_ALPHA))

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context in which the network computes."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def forward(self, outputs: Outputs, class_features: Tensor, batch: Batch) -> Losses:
        """Losses of one batch; see System.losses.

        Args:
            outputs: of the batch.
            class_features: X_c, [C, D].
            batch: B bags.
        """
        assert outputs.class_logits is not None, "AVadCLIP predicts classes"
        mask, weights = batch.bags.mask, batch.weights
        anomaly = anomaly_mil_loss(outputs.anomaly_logits.float(), mask, batch.targets)
        alpha = self.alpha if self.focal else None
        alignment = alignment_mil_loss(outputs.class_logits.float(), mask, batch.targets, alpha=alpha)
        return {
            "anomaly": weights.bags * anomaly,
            "alignment": weights.bags * alignment,
            "text_separation": self.text_separation * (weights.bags * text_separation_loss(class_features.float())),
            "distillation": self.distillation_weight * self._distillation(outputs, batch),
        }

    def _distillation(self, outputs: Outputs, batch: Batch) -> Tensor:
        # Without sound the teacher has no features.
        mask = batch.bags.mask & batch.has_audio[:, None]
        if batch.teacher_features is None or self.distillation == "none" or not mask.any():
            return outputs.anomaly_logits.new_zeros((), dtype=torch.float32)
        if self.distillation == "mse":
            return batch.weights.snippets_with_audio * plain_distillation_loss(
                *distilled_features(outputs, batch), mask
            )
        assert outputs.log_variance is not None, "students have an uncertainty head"
        loss = self._uncertainty_distillation(outputs, batch, outputs.log_variance.float(), mask)
        return self._uncertainty_weight(batch.weights) * loss

    # What the variant `released` does differently.

    def _make_alpha(self, alpha: Tensor) -> None:
        self.register_buffer("alpha", alpha)

    def _uncertainty_distillation(self, outputs: Outputs, batch: Batch, log_variance: Tensor, mask: Tensor) -> Tensor:
        return uncertainty_distillation_loss(*distilled_features(outputs, batch), log_variance, mask, batch.damaged)

    def _uncertainty_weight(self, weights: ShareWeights) -> float:
        return weights.snippets_with_audio


def distilled_features(outputs: Outputs, batch: Batch) -> tuple[Tensor, Tensor]:
    """Features of the teacher and of the student, [B, T, D] each, in float32."""
    assert batch.teacher_features is not None
    assert outputs.features is not None
    return batch.teacher_features.float(), outputs.features.float()
