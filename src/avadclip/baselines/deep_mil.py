"""DeepMIL: a ranking of the most anomalous moment of a video above that of a normal one.

Sultani, Chen and Shah, "Real-world Anomaly Detection in Surveillance Videos", CVPR 2018, arXiv 1801.04264.
"""

import torch
from torch import Tensor, nn

from avadclip.model.base import Batch, Losses, Outputs, System
from avadclip.model.losses import smoothness_loss

# All from the paper.
HIDDEN_DIMS = (512, 32)
DROPOUT = 0.6
MARGIN = 1.0
SMOOTHNESS_WEIGHT, SPARSITY_WEIGHT = 8e-5, 8e-5


class DeepMil(System):
    """DeepMIL. Recipe: Adagrad 0.01, l2 0.001, pairs of bags of 32 snippets."""

    uses_audio = False
    pairing = "paired"

    def __init__(self, *, visual_dim: int) -> None:
        super().__init__()
        wide, narrow = HIDDEN_DIMS
        self.layers = nn.Sequential(
            nn.Linear(visual_dim, wide),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(wide, narrow),
            nn.Dropout(DROPOUT),
            nn.Linear(narrow, 1),
        )

    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """Score bags or windows, each snippet on its own."""
        del audio, mask
        logits: Tensor = self.layers(visual)
        return Outputs(logits.squeeze(-1))

    def losses(self, batch: Batch) -> Losses:
        """Ranking of each pair, and smoothness and sparsity of the anomalous bags' scores."""
        # Normal bags stand first, so the targets are not needed.
        scores = self(*batch.bags).scores
        anomalous, mask = (rows.chunk(2)[1] for rows in (scores, batch.bags.mask))
        return {
            "ranking": ranking_loss(scores, batch.bags.mask),
            "smoothness": SMOOTHNESS_WEIGHT * smoothness_loss(anomalous, mask),
            "sparsity": SPARSITY_WEIGHT * (anomalous * mask).sum(dim=1).mean(),
        }


def ranking_loss(scores: Tensor, mask: Tensor) -> Tensor:
    """Mean over pairs of max(0, 1 - highest score of the anomalous bag + highest score of the normal one).

    Args:
        scores: [2P, T] within [0, 1]; the normal bags of the P pairs, then the anomalous ones.
        mask: [2P, T] bool
    """
    normal, anomalous = scores.masked_fill(~mask, -torch.inf).amax(dim=1).chunk(2)
    return torch.relu(MARGIN - anomalous + normal).mean()
