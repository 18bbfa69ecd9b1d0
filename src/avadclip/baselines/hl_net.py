"""HL-Net: graphs by similarity, distance and score, and a causal branch distilled from them.

Wu et al., "Not only Look, but also Listen", ECCV 2020, arXiv 2007.04687. Layers and their order are those of the
published weights, losses those of the authors' code.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip.model.base import Bags, Batch, Losses, Outputs, System
from avadclip.model.graph import GraphStream, SnippetConv, distance_adjacency, similarity_adjacency, softmax_rows
from avadclip.model.losses import mean_logit_mil_loss

# All from the paper and the authors' code.
INPUT_DIMS = (512, 128)
ONLINE_DIMS = (64, 32)
ONLINE_KERNEL = 5  # snippets: this one and those before it
STREAM_DIM = 32
DROPOUT = 0.6
CLOSENESS_MIDDLE, CLOSENESS_SCALE = 0.5, 0.1
DISTILLATION_WEIGHT = 5.0


class HlNetEncoded(NamedTuple):
    """What the trunk makes of its bags."""

    streams: Tensor
    """By similarity, by distance and by score, side by side, [B, T, 96]."""
    online_logits: Tensor
    """[B, T]; that of a snippet depends on no later one."""


class OnlineBranch(nn.Module):
    """The causal branch: two layers a snippet, then a convolution over this and earlier snippets."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        wide, narrow = ONLINE_DIMS
        self.first = SnippetConv(dim, wide, kernel=1)
        self.second = SnippetConv(wide, narrow, kernel=1)
        self.score = nn.Conv1d(narrow, 1, ONLINE_KERNEL)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] to logits [B, T]."""
        hidden = functional.relu(self.second(functional.relu(self.first(x))))
        logits: Tensor = self.score(functional.pad(hidden.transpose(1, 2), (ONLINE_KERNEL - 1, 0)))
        return logits.squeeze(1)


class HlNetTrunk(nn.Module):
    """All of HL-Net but the layer that scores the streams."""

    def __init__(self, visual_dim: int, audio_dim: int) -> None:
        super().__init__()
        wide, dim = INPUT_DIMS
        self.first = SnippetConv(visual_dim + audio_dim, wide, kernel=1)
        self.second = SnippetConv(wide, dim, kernel=1)
        self.activation = nn.Sequential(nn.ReLU(), nn.Dropout(DROPOUT))
        self.online = OnlineBranch(dim)
        self.similarity_stream, self.distance_stream, self.score_stream = (
            GraphStream(dim, STREAM_DIM, activation=self.activation) for _ in range(3)
        )

    def forward(self, bags: Bags) -> HlNetEncoded:
        """Both modalities side by side, through the layers, the causal branch and the graphs."""
        assert bags.visual is not None
        assert bags.audio is not None
        both = torch.cat([bags.visual, bags.audio], dim=-1)
        x = self.activation(self.second(self.activation(self.first(both))))
        online_logits = self.online(x)
        adjacencies = (
            similarity_adjacency(both, bags.mask),
            distance_adjacency(x.shape[1], device=x.device, dtype=x.dtype),
            score_adjacency(online_logits.detach().sigmoid(), bags.mask),
        )
        streams = (self.similarity_stream, self.distance_stream, self.score_stream)
        joined = [stream(x, graph, bags.mask) for stream, graph in zip(streams, adjacencies, strict=True)]
        return HlNetEncoded(torch.cat(joined, dim=-1), online_logits)


class HlNet(System):
    """HL-Net. Recipe: Adam 1e-4, the causal branch at half of it, 50 epochs, batch 128, 200 snippets."""

    uses_audio = True
    learning_rate_shares = {"trunk.online.": 0.5}  # noqa: RUF012  (a ClassVar in System)

    def __init__(self, *, visual_dim: int, audio_dim: int) -> None:
        super().__init__()
        self.trunk = HlNetTrunk(visual_dim, audio_dim)
        self.classify = nn.Linear(3 * STREAM_DIM, 1)

    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """Score bags or windows, each snippet in the light of all others."""
        return Outputs(self.classify(self.trunk(Bags(visual, audio, mask)).streams).squeeze(-1))

    def online_logits(self, bags: Bags) -> Tensor:
        """Logits of the causal branch, [B, T], for live use: later snippets change nothing."""
        encoded: HlNetEncoded = self.trunk(bags)
        return encoded.online_logits

    def losses(self, batch: Batch) -> Losses:
        """Each branch's MIL loss, and what the causal branch learns from the other."""
        bags, targets = batch.bags, batch.targets
        encoded: HlNetEncoded = self.trunk(bags)
        logits: Tensor = self.classify(encoded.streams).squeeze(-1)
        return {
            "anomaly": mean_logit_mil_loss(logits, bags.mask, targets),
            "online_anomaly": mean_logit_mil_loss(encoded.online_logits, bags.mask, targets),
            "distillation": DISTILLATION_WEIGHT * online_loss(encoded.online_logits, logits, bags.mask),
        }


def online_loss(online_logits: Tensor, offline_logits: Tensor, mask: Tensor) -> Tensor:
    """Mean over bags of the mean of -s ln(s'), s the score of the whole network, s' that of the causal branch.

    One-sided, as in the authors' code: nothing pulls s' down where s is low but the branch's own MIL loss.

    Args:
        online_logits: [B, T]
        offline_logits: [B, T]; a constant, no gradient reaches it.
        mask: [B, T] bool
    """
    entropy = -offline_logits.detach().sigmoid() * functional.logsigmoid(online_logits)
    return ((entropy * mask).sum(dim=1) / mask.sum(dim=1)).mean()


def score_adjacency(scores: Tensor, mask: Tensor) -> Tensor:
    """Row softmax, over the real snippets, of sigmoid((1 - |s_i - s_j| - 0.5) / 0.1).

    Args:
        scores: [B, T] within [0, 1]
        mask: [B, T] bool

    Returns:
        [B, T, T]; rows and columns of padding are 0.
    """
    closeness = 1.0 - (scores[:, :, None] - scores[:, None, :]).abs()
    return softmax_rows(torch.sigmoid((closeness - CLOSENESS_MIDDLE) / CLOSENESS_SCALE), mask)
