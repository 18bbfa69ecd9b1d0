"""UR-DMU's attention: by content over the whole bag, and by distance around each snippet (Zhou et al., 2023)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def distance_weights(valid: Tensor) -> Tensor:
    """exp(-|i - j| / e) over the valid snippets j, every row with sum 1; valid [B, T] bool to [B, T, T]."""
    positions = torch.arange(valid.shape[1], device=valid.device)
    closeness = -(positions[:, None] - positions[None, :]).abs() / math.e
    # As a softmax it does not vanish in padding far behind the last valid snippet.
    return closeness.expand(len(valid), -1, -1).masked_fill(~valid[:, None, :], -torch.inf).softmax(dim=-1)


class GlobalLocalAttention(nn.Module):
    """Heads that each give two mixes side by side: softmax(Q K) V, and a second projection mixed by distance alone."""

    def __init__(self, dim: int, *, num_heads: int, head_dim: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.projections = nn.Linear(dim, 4 * num_heads * head_dim, bias=False)  # query, key, value, and what is near
        self.out = nn.Linear(2 * num_heads * head_dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x: [B, T, D]; valid: [B, T] bool, padding is never mixed in. Returns [B, T, D]."""
        batch, length, _ = x.shape
        projected = self.projections(x).view(batch, length, 4, self.num_heads, -1)
        query, key, value, near = projected.permute(2, 0, 3, 1, 4)  # [B, heads, T, head_dim] each
        by_content = functional.scaled_dot_product_attention(query, key, value, attn_mask=valid[:, None, None, :])
        by_distance = distance_weights(valid)[:, None].to(near.dtype) @ near
        heads = torch.cat([by_content, by_distance], dim=-1)
        out: Tensor = self.dropout(self.out(heads.transpose(1, 2).flatten(2)))
        return out


class GlobalLocalBlock(nn.Module):
    """Pre-LN transformer block around that attention; its feed-forward part keeps the width D."""

    def __init__(self, dim: int, *, num_heads: int, head_dim: int, dropout: float) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim)
        self.attention = GlobalLocalAttention(dim, num_heads=num_heads, head_dim=head_dim, dropout=dropout)
        self.norm_feed_forward = nn.LayerNorm(dim)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(dim, dim), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x: [B, T, D]; valid: [B, T] bool. Returns [B, T, D]."""
        x = x + self.attention(self.norm_attention(x), valid)
        out: Tensor = x + self.feed_forward(self.norm_feed_forward(x))
        return out
