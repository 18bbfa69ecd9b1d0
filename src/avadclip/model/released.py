"""The variant `released`: what the authors' code does differently from the printed method.

Padding takes part everywhere, so bags are always padded to 256 snippets; the audio-visual prompt is pooled window by
window; the focal weight of each class is learned; L_UKD has the factor 2 and averages over padding too.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip.model.avadclip import AVadCLIP, Encoded
from avadclip.model.base import Bags, Batch, Outputs, ShareWeights, System
from avadclip.model.losses import released_distillation_loss
from avadclip.model.objective import Objective, distilled_features
from avadclip.model.prompts import AudioVisualPrompt


class ReleasedPrompt(AudioVisualPrompt):
    """The audio-visual prompt on raw logits, padding included; X_mp is X_p for every class."""

    def pool(self, features: Tensor, anomaly_logits: Tensor, mask: Tensor) -> Tensor:
        """Sum of the features weighted by their anomaly logits, [B, D]; shapes as in AudioVisualPrompt."""
        del mask
        return torch.einsum("bt,btd->bd", anomaly_logits, features)

    def forward(self, class_features: Tensor, pooled: Tensor) -> Tensor:
        """X_cp = z + FFN(z), z = X_c + X_p, [B, C, D]: the release takes its softmax over C identical columns."""
        z = class_features + functional.normalize(pooled, dim=-1)[:, None, :]
        conditioned: Tensor = z + self.feed_forward(z)
        return conditioned


class ReleasedObjective(Objective):
    """The objective with a learned focal weight per class, unbounded, and the released L_UKD."""

    def _make_alpha(self, alpha: Tensor) -> None:
        self.alpha = nn.Parameter(alpha)

    def _uncertainty_distillation(self, outputs: Outputs, batch: Batch, log_variance: Tensor, mask: Tensor) -> Tensor:
        del mask
        return released_distillation_loss(*distilled_features(outputs, batch), log_variance)

    def _uncertainty_weight(self, weights: ShareWeights) -> float:
        return weights.bags  # the mean is over padding too, so bags count alike


class ReleasedAVadCLIP(AVadCLIP):
    """AVadCLIP as released; see AVadCLIP for the arguments."""

    pads_to_window = True
    prompt_class = ReleasedPrompt
    objective_class = ReleasedObjective
    score_windows = System.score_windows

    def encode(self, bags: Bags) -> Encoded:
        """Encode a batch whose padding takes part."""
        return self._encode(bags, torch.ones_like(bags.mask))
