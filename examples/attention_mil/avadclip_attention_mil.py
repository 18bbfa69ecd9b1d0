"""The system `attention-mil`: the label of a video by gated attention over its snippets.

Ilse, Tomczak and Welling, "Attention-based Deep Multiple Instance Learning", ICML 2018, arXiv 1802.04712.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from avadclip import Batch, Outputs, System

HIDDEN_DIM = 64


class AttentionMil(System):
    """A snippet's logit is linear in its features; a video's is the mean of them, weighted by attention."""

    uses_audio = True

    def __init__(self, *, visual_dim: int, audio_dim: int) -> None:
        super().__init__()
        self.visual = nn.Sequential(nn.LayerNorm(visual_dim), nn.Linear(visual_dim, HIDDEN_DIM))
        self.audio = nn.Sequential(nn.LayerNorm(audio_dim), nn.Linear(audio_dim, HIDDEN_DIM))
        self.content = nn.Linear(HIDDEN_DIM, HIDDEN_DIM)
        self.gate = nn.Linear(HIDDEN_DIM, HIDDEN_DIM)
        self.attend = nn.Linear(HIDDEN_DIM, 1, bias=False)
        self.classify = nn.Linear(HIDDEN_DIM, 1)

    def forward(self, visual: Tensor, audio: Tensor, mask: Tensor) -> Outputs:
        """[B, T, Dv], [B, T, Da] and [B, T] to anomaly logits [B, T]; each snippet on its own."""
        return Outputs(self.classify(self._hidden(visual, audio)).squeeze(-1))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the videos' labels; class 0 is normal."""
        visual, audio, mask = batch.bags
        hidden = self._hidden(visual, audio)
        gated = torch.tanh(self.content(hidden)) * torch.sigmoid(self.gate(hidden))
        weights = self.attend(gated).squeeze(-1).masked_fill(~mask, -torch.inf).softmax(dim=1)
        logits = (weights * self.classify(hidden).squeeze(-1)).sum(dim=1)
        is_anomalous = (batch.targets[:, 1:].sum(dim=1) > 0).to(logits.dtype)
        return {"anomaly": binary_cross_entropy_with_logits(logits, is_anomalous)}

    def _hidden(self, visual: Tensor, audio: Tensor) -> Tensor:
        return torch.relu(self.visual(visual) + self.audio(audio))
