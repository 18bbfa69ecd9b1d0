"""AVVD: HL-Net's trunk with a class prediction.

Wu et al., "Weakly Supervised Audio-Visual Violence Detection", IEEE TMM 2022. There is no public code: re-implemented
from the paper's description, as a reading of it: HL-Net with one output a class, trained by cross-entropy of their
mean top-k logits. Decided here:
- the anomaly score is what is left for the anomaly classes, 1 - p(normal);
- the causal branch, which one of the graphs needs, learns by its own MIL loss and from that score, both ways (HL-Net:
  only upwards).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from avadclip.baselines.hl_net import DISTILLATION_WEIGHT, STREAM_DIM, HlNetEncoded, HlNetTrunk
from avadclip.model.base import Bags, Batch, Losses, Outputs, System
from avadclip.model.losses import alignment_mil_loss, mean_logit_mil_loss, mimicry_loss


class Avvd(System):
    """AVVD. Recipe, that of HL-Net: Adam 1e-4, the causal branch at half of it, 50 epochs, batch 128, 200 snippets."""

    uses_audio = True
    learning_rate_shares = {"trunk.online.": 0.5}  # noqa: RUF012  (a ClassVar in System)

    def __init__(self, *, visual_dim: int, audio_dim: int, classes: Sequence[str]) -> None:
        super().__init__()
        self.trunk = HlNetTrunk(visual_dim, audio_dim)
        self.classify = nn.Linear(3 * STREAM_DIM, len(classes))

    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """Score and name bags or windows, each snippet in the light of all others."""
        encoded: HlNetEncoded = self.trunk(Bags(visual, audio, mask))
        return self._outputs(encoded)

    def losses(self, batch: Batch) -> Losses:
        """MIL cross-entropy of the classes, and the causal branch's own MIL loss and distillation."""
        bags, targets = batch.bags, batch.targets
        encoded: HlNetEncoded = self.trunk(bags)
        logits, class_logits, *_ = self._outputs(encoded)
        assert class_logits is not None
        return {
            "classes": alignment_mil_loss(class_logits, bags.mask, targets, alpha=None),
            "online_anomaly": mean_logit_mil_loss(encoded.online_logits, bags.mask, targets),
            "distillation": DISTILLATION_WEIGHT * mimicry_loss(encoded.online_logits, logits, bags.mask),
        }

    def _outputs(self, encoded: HlNetEncoded) -> Outputs:
        class_logits: Tensor = self.classify(encoded.streams)
        return Outputs(anomaly_logits(class_logits), class_logits)


def anomaly_logits(class_logits: Tensor) -> Tensor:
    """ln((1 - p) / p) with p the softmax share of `normal`, class 0; [.., C] to [..]."""
    return torch.logsumexp(class_logits[..., 1:], dim=-1) - class_logits[..., 0]
