"""Temporal models: every snippet in the context of the snippets around it."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from avadclip.model.attention import LocalAttentionBlock, QuickGelu
from avadclip.model.graph import GraphStream, distance_adjacency, similarity_adjacency
from avadclip.timeline import WINDOW_SNIPPETS

TCN_LEVELS = 3  # dilations 1, 2, 4
TCN_KERNEL = 2  # snippets


class LocalGlobalAdapter(nn.Module):
    """Temporal model of the visual features (the local-global adapter of VadCLIP, used unchanged by AVadCLIP).

    Position embedding, transformer blocks with block-diagonal attention, then two graph streams side by side, by
    similarity and by distance in time, joined by a linear layer.

    Args:
        embed_dim: D
        num_blocks: transformer blocks.
        attention_window: snippets that attend to each other.
        residual: add the result to what came in; False, as released: it replaces it.
    """

    def __init__(self, *, embed_dim: int, num_blocks: int, attention_window: int, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.position_embedding = nn.Parameter(torch.randn(WINDOW_SNIPPETS, embed_dim) * 0.01)
        self.blocks = nn.ModuleList(
            LocalAttentionBlock(embed_dim=embed_dim, attention_window=attention_window) for _ in range(num_blocks)
        )
        half = embed_dim // 2
        self.similarity_stream = GraphStream(embed_dim, half, activation=QuickGelu())
        self.distance_stream = GraphStream(embed_dim, half, activation=QuickGelu())
        self.join = nn.Linear(2 * half, embed_dim)

    def forward(self, x: Tensor, mask: Tensor, active: Tensor) -> Tensor:
        """Mix snippets of one window.

        Args:
            x: [B, T, D], T at most 256.
            mask: [B, T] bool, True for real snippets: those in the similarity graph.
            active: [B, T] bool, positions that take part in the rest: `mask`, or all of them in the variant `released`.

        Returns:
            [B, T, D], zero where not active.
        """
        entered = x
        x = x + self.position_embedding[: x.shape[1]]
        for block in self.blocks:
            x = block(x, active)
        by_similarity = self.similarity_stream(x, similarity_adjacency(x, mask), active)
        distance = distance_adjacency(x.shape[1], device=x.device, dtype=x.dtype)
        by_distance = self.distance_stream(x, distance, active)
        joined: Tensor = self.join(torch.cat([by_similarity, by_distance], dim=-1))
        if self.residual:
            joined = entered + joined
        return joined * active[..., None]


class CausalConvBlock(nn.Module):
    """Two weight-normed causal convolutions with ReLU and dropout, and a residual around them."""

    def __init__(self, embed_dim: int, *, dilation: int, dropout: float) -> None:
        super().__init__()
        self.past = dilation * (TCN_KERNEL - 1)
        self.convs = nn.ModuleList(
            parametrizations.weight_norm(nn.Conv1d(embed_dim, embed_dim, TCN_KERNEL, dilation=dilation))
            for _ in range(2)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, D, T] to [B, D, T]; position t depends on t and before, so padding at the end changes nothing."""
        hidden = x
        for conv in self.convs:
            hidden = self.dropout(functional.relu(conv(functional.pad(hidden, (self.past, 0)))))
        return functional.relu(x + hidden)


class AudioTcn(nn.Module):
    """Temporal model of the audio features: a causal temporal convolution network (Bai et al., 2018)."""

    def __init__(self, *, embed_dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.levels = nn.Sequential(
            *(CausalConvBlock(embed_dim, dilation=2**level, dropout=dropout) for level in range(TCN_LEVELS))
        )

    def forward(self, x: Tensor, mask: Tensor, active: Tensor) -> Tensor:
        """[B, T, D] to [B, T, D]; causal, so that neither `mask` nor `active` is needed."""
        del mask, active
        mixed: Tensor = self.levels(x.transpose(1, 2)).transpose(1, 2)
        return mixed
