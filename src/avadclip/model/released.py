"""The variant `released`: what the authors' code does differently from the printed method.

Padding takes part everywhere, so bags are always padded to 256 snippets; the audio-visual prompt is pooled window by
window; the focal weight of each class is learned; theta is a head of its own, read from features that learn by it;
L_UKD has the factor 2 and averages over padding too.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip.config import AS_PUBLISHED
from avadclip.errors import ConfigError
from avadclip.model.avadclip import AVadCLIP, Encoded
from avadclip.model.base import Bags, Batch, Outputs, ShareWeights, System
from avadclip.model.graph import SnippetConv
from avadclip.model.losses import released_distillation_loss
from avadclip.model.objective import Objective, distilled_features
from avadclip.model.prompts import AudioVisualPrompt

SMALLEST_THETA = -16.0  # on average; there sigma^2 is a tenth of the 1e-6 beside it in L_UKD


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


class ReleasedUncertaintyHead(nn.Module):
    """theta = -(x + body(x)), body = Conv k1, ReLU, Conv k3, Conv k1, ReLU."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.first = SnippetConv(embed_dim, embed_dim, kernel=1)
        self.second = SnippetConv(embed_dim, embed_dim, kernel=3)
        self.third = SnippetConv(embed_dim, embed_dim, kernel=1)

    def forward(self, projected: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        """x: features before the enhancement blocks, [B, T, D]; padding takes part. Returns [B, T, D]."""
        del projected, mask
        return -(x + functional.relu(self.third(self.second(functional.relu(self.first(x))))))


class ReleasedObjective(Objective):
    """The objective with a learned focal weight per class, unbounded, and the released L_UKD."""

    def _make_alpha(self, alpha: Tensor) -> None:
        self.alpha = nn.Parameter(alpha)

    def _uncertainty_distillation(self, outputs: Outputs, batch: Batch, log_variance: Tensor, mask: Tensor) -> Tensor:
        del mask
        mean = log_variance.mean().item()
        if mean < SMALLEST_THETA:
            raise ConfigError(
                f"ln sigma^2 of the released distillation fell to {mean:.1f} on average, needed {SMALLEST_THETA:.0f} "
                "or more: below, it falls without end; lower `distillation.weight` (the authors' is 1e-8), "
                'or set `network.variant` to "paper"'
            )
        return released_distillation_loss(*distilled_features(outputs, batch), log_variance)

    def _uncertainty_weight(self, weights: ShareWeights) -> float:
        return weights.bags  # the mean is over padding too, so bags count alike


class ReleasedAVadCLIP(AVadCLIP):
    """AVadCLIP as released; see AVadCLIP for the arguments."""

    pads_to_window = True
    prompt_class = ReleasedPrompt
    uncertainty_class = ReleasedUncertaintyHead
    objective_class = ReleasedObjective
    score_windows = System.score_windows

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**AS_PUBLISHED, **options})

    def encode(self, bags: Bags) -> Encoded:
        """Encode a batch whose padding takes part."""
        return self._encode(bags, torch.ones_like(bags.mask))
