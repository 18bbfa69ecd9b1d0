"""FVAI: mutual attention of picture and sound, bilinear pooling, and mutual learning with a visual network.

Pang et al., "Violence Detection in Videos Based on Fusing Visual and Audio Information", ICASSP 2021. There is no
public code: re-implemented from the paper's description, which names three modules but few sizes. Decided here:
- attention by mutual guidance: each modality is attended over time with the other one's queries, and added to itself;
- bilinear pooling: the low-rank product of Kim et al. (2017), P (tanh(U v) * tanh(V a));
- the second network, "of a different architecture": one temporal convolution over the picture. Each mimics the other
  (Zhang et al., Deep Mutual Learning, 2018); only the first one scores;
- widths, dropout, and top-k pooling as in the family.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip.model.attention import MultiHeadAttention
from avadclip.model.base import Bags, Batch, Losses, Outputs, System
from avadclip.model.graph import SnippetConv
from avadclip.model.losses import mean_logit_mil_loss, mimicry_loss

HIDDEN_DIM = 128
RANK = 256  # of the bilinear form
DROPOUT = 0.3
KERNEL = 5  # snippets, of the visual network


class MutualAttention(nn.Module):
    """Each modality's snippets, attended to with the queries of the other one."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.over_visual = MultiHeadAttention(dim, num_heads=1, dropout=0.0)
        self.over_audio = MultiHeadAttention(dim, num_heads=1, dropout=0.0)

    def forward(self, visual: Tensor, audio: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """visual, audio: [B, T, D]; mask: [B, T] bool. Returns both, [B, T, D]."""
        return (
            visual + self.over_visual(audio, visual, mask),
            audio + self.over_audio(visual, audio, mask),
        )


class LowRankBilinear(nn.Module):
    """P (tanh(U v) * tanh(V a)): a bilinear form of each output channel, of rank RANK at most."""

    def __init__(self, dim: int, *, rank: int) -> None:
        super().__init__()
        self.from_visual = nn.Linear(dim, rank)
        self.from_audio = nn.Linear(dim, rank)
        self.out = nn.Linear(rank, dim)

    def forward(self, visual: Tensor, audio: Tensor) -> Tensor:
        """visual, audio: [.., D]. Returns [.., D]."""
        product = torch.tanh(self.from_visual(visual)) * torch.tanh(self.from_audio(audio))
        pooled: Tensor = self.out(product)
        return pooled


class FvaiNetwork(nn.Module):
    """Attention, bilinear pooling, classifier; the network that scores."""

    def __init__(self, visual_dim: int, audio_dim: int) -> None:
        super().__init__()
        self.visual_in = nn.Linear(visual_dim, HIDDEN_DIM)
        self.audio_in = nn.Linear(audio_dim, HIDDEN_DIM)
        self.attention = MutualAttention(HIDDEN_DIM)
        self.fusion = LowRankBilinear(HIDDEN_DIM, rank=RANK)
        self.dropout = nn.Dropout(DROPOUT)
        self.classify = nn.Linear(HIDDEN_DIM, 1)

    def forward(self, bags: Bags) -> Tensor:
        """Anomaly logits, [B, T]."""
        visual, audio = self.attention(self.visual_in(bags.visual), self.audio_in(bags.audio), bags.mask)
        logits: Tensor = self.classify(self.dropout(functional.relu(self.fusion(visual, audio))))
        return logits.squeeze(-1)


class FvaiVisualNetwork(nn.Module):
    """A temporal convolution over the picture; the network to learn with."""

    def __init__(self, visual_dim: int) -> None:
        super().__init__()
        self.visual_in = nn.Linear(visual_dim, HIDDEN_DIM)
        self.conv = SnippetConv(HIDDEN_DIM, HIDDEN_DIM, kernel=KERNEL)
        self.dropout = nn.Dropout(DROPOUT)
        self.classify = nn.Linear(HIDDEN_DIM, 1)

    def forward(self, bags: Bags) -> Tensor:
        """Anomaly logits, [B, T]."""
        x = functional.relu(self.visual_in(bags.visual)) * bags.mask[..., None]
        logits: Tensor = self.classify(self.dropout(functional.relu(self.conv(x))))
        return logits.squeeze(-1)


class Fvai(System):
    """FVAI. Recipe, decided here: Adam 5e-4, 50 epochs, batch 128, 200 snippets."""

    uses_audio = True

    def __init__(self, *, visual_dim: int, audio_dim: int) -> None:
        super().__init__()
        self.network = FvaiNetwork(visual_dim, audio_dim)
        self.visual_network = FvaiVisualNetwork(visual_dim)

    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """Score bags or windows; the visual network takes no part."""
        return Outputs(self.network(Bags(visual, audio, mask)))

    def losses(self, batch: Batch) -> Losses:
        """Each network's MIL loss, and what each has still to learn from the other."""
        bags, targets = batch.bags, batch.targets
        logits, visual_logits = self.network(bags), self.visual_network(bags)
        return {
            "anomaly": mean_logit_mil_loss(logits, bags.mask, targets),
            "visual_anomaly": mean_logit_mil_loss(visual_logits, bags.mask, targets),
            "mimicry": mimicry_loss(logits, visual_logits, bags.mask),
            "visual_mimicry": mimicry_loss(visual_logits, logits, bags.mask),
        }
