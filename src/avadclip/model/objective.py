"""From outputs and weak labels to named losses."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from avadclip.config import DistillationConfig, LossConfig, Precision
from avadclip.data.bags import Batch
from avadclip.model.losses import (
    FOCAL_ALPHA,
    alignment_mil_loss,
    anomaly_mil_loss,
    plain_distillation_loss,
    text_separation_loss,
    uncertainty_distillation_loss,
)
from avadclip.model.models import Encoded, Network, TrainedNetwork
from avadclip.training.batches import Weights
from avadclip.training.learner import TOTAL, WHOLE_BATCH, Learner, Losses


class Objective(Learner):
    """A network, its class text, and L_BCE + L_ALIGN + weights * (L_TEXT, L_UKD)."""

    shares_batches = True
    alpha: Tensor

    def __init__(
        self,
        network: Network,
        class_text: nn.Module,
        *,
        num_classes: int,
        loss: LossConfig,
        distillation: DistillationConfig,
        precision: Precision = "fp32",
    ) -> None:
        super().__init__()
        self.network = network
        self.class_text = class_text
        self.loss = loss
        self.distillation = distillation
        self.precision = precision
        self.whole_windows = network.variant == "released"
        alpha = torch.full((num_classes,), FOCAL_ALPHA)
        if network.variant == "released":  # learned per class, unbounded
            self.alpha = nn.Parameter(alpha)
        else:
            self.register_buffer("alpha", alpha)

    def forward(self, batch: Batch, teacher_features: Tensor | None = None, weights: Weights = WHOLE_BATCH) -> Losses:
        """Losses of one batch.

        Args:
            batch: B bags.
            teacher_features: X_av of the same bags, [B, T, D].
            weights: of each part, where the bags are one process's share of a batch.
        """
        bags = batch.bags
        autocast = torch.autocast(bags.valid.device.type, torch.bfloat16, enabled=self.precision == "bf16")
        # Weights under weight norm are the same for every group of bags.
        with autocast, parametrize.cached():
            class_features = self.class_text()
            encoded = self.network.encode(bags)
            alignment_logits = self.network.align(encoded.features, class_features, encoded.pooled)
        # Losses are taken in float32 whatever precision the networks run in.
        anomaly = anomaly_mil_loss(encoded.anomaly_logits.float(), bags.valid, batch.targets)
        alpha = self.alpha if self.loss.focal else None
        alignment = alignment_mil_loss(alignment_logits.float(), bags.valid, batch.targets, alpha=alpha)
        text = text_separation_loss(class_features.float())
        distilled = self._distil(encoded, batch, teacher_features)
        anomaly, alignment, text = (weights.bags * part for part in (anomaly, alignment, text))
        # The released form averages over padding too, so that bags count alike.
        per_bag = self.distillation.kind == "uncertainty" and self.network.variant == "released"
        distilled = (weights.bags if per_bag else weights.taught) * distilled
        total = anomaly + alignment + self.loss.text_separation * text + self.distillation.weight * distilled
        return {
            TOTAL: total,
            "anomaly": anomaly,
            "alignment": alignment,
            "text_separation": text,
            "distillation": distilled,
        }

    def snapshot(self) -> TrainedNetwork:
        """The network and its class features so far, as a copy that training no longer touches."""
        network = copy.deepcopy(self.network)
        with torch.no_grad():
            class_features = self.class_text().clone()
        return TrainedNetwork(network.eval().requires_grad_(False), class_features)

    def _distil(self, encoded: Encoded, batch: Batch, teacher_features: Tensor | None) -> Tensor:
        # Only bags with sound have something to teach.
        taught = batch.bags.valid & batch.heard[:, None]
        if teacher_features is None or self.distillation.kind == "none" or not taught.any():
            return encoded.features.new_zeros((), dtype=torch.float32)
        teacher, student = teacher_features.float(), encoded.features.float()
        if self.distillation.kind == "mse":
            return plain_distillation_loss(teacher, student, taught)
        assert encoded.log_variance is not None, "students have an uncertainty head"
        released = self.network.variant == "released"
        return uncertainty_distillation_loss(teacher, student, encoded.log_variance.float(), taught, released=released)
