"""Layers that only compared systems use: of UR-DMU (attention, memory) and of RTFM (multi-scale temporal model)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip.model.graph import SnippetConv


def distance_weights(mask: Tensor) -> Tensor:
    """exp(-|i - j| / e) over the real snippets j, every row with sum 1; mask [B, T] bool to [B, T, T]."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    closeness = -(positions[:, None] - positions[None, :]).abs() / math.e
    # As a softmax it does not vanish in padding far behind the last real snippet.
    return closeness.expand(len(mask), -1, -1).masked_fill(~mask[:, None, :], -torch.inf).softmax(dim=-1)


class GlobalLocalAttention(nn.Module):
    """Heads that each give two mixes side by side: softmax(Q K) V, and a second projection mixed by distance alone."""

    def __init__(self, dim: int, *, num_heads: int, head_dim: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.projections = nn.Linear(dim, 4 * num_heads * head_dim, bias=False)  # query, key, value, and what is near
        self.out = nn.Linear(2 * num_heads * head_dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: [B, T, D]; mask: [B, T] bool, padding is never mixed in. Returns [B, T, D]."""
        batch, length, _ = x.shape
        projected = self.projections(x).view(batch, length, 4, self.num_heads, -1)
        query, key, value, near = projected.permute(2, 0, 3, 1, 4)  # [B, heads, T, head_dim] each
        by_content = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        by_distance = distance_weights(mask)[:, None].to(near.dtype) @ near
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

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: [B, T, D]; mask: [B, T] bool. Returns [B, T, D]."""
        x = x + self.attention(self.norm_attention(x), mask)
        out: Tensor = x + self.feed_forward(self.norm_feed_forward(x))
        return out


SLOTS_PER_PICK = 16


class Recall(NamedTuple):
    """Outputs of a memory for snippets."""

    read: Tensor
    """Sum of the slots, each weighted by its likeness, [B, T, D]."""
    log_known: Tensor
    """ln of the score of being known: the mean likeness of the floor(slots / 16) + 1 best slots, [B, T]."""
    log_unknown: Tensor
    """ln of 1 - score, [B, T]."""


class SlotMemory(nn.Module):
    """M slots; the likeness of a snippet to each is sigmoid(x . slot / sqrt(D))."""

    def __init__(self, dim: int, *, num_slots: int) -> None:
        super().__init__()
        self.slots = nn.Parameter(torch.empty(num_slots, dim).uniform_(-(dim**-0.5), dim**-0.5))
        self.num_best = num_slots // SLOTS_PER_PICK + 1

    def forward(self, x: Tensor) -> Recall:
        """x: [B, T, D]"""
        logits = x @ self.slots.T / math.sqrt(x.shape[-1])
        best = logits.topk(self.num_best, dim=-1).values
        # Means of sigmoids, taken of logarithms: near 1 they would round to 1, and 1 - score to 0.
        log_sums = [functional.logsigmoid(part).logsumexp(dim=-1) for part in (best, -best)]
        log_known, log_unknown = (log_sum - math.log(self.num_best) for log_sum in log_sums)
        return Recall(logits.sigmoid() @ self.slots, log_known, log_unknown)


DILATIONS = (1, 2, 4)
KERNEL = 3  # snippets


class ConvBlock(nn.Module):
    """Convolution over snippets, ReLU, batch normalisation."""

    def __init__(self, in_dim: int, out_dim: int, *, dilation: int = 1) -> None:
        super().__init__()
        self.conv = SnippetConv(in_dim, out_dim, kernel=KERNEL, dilation=dilation)
        self.norm = SnippetBatchNorm(out_dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: [B, T, in], zero in padding; mask: [B, T] bool. Returns [B, T, out], zero in padding."""
        normed: Tensor = self.norm(functional.relu(self.conv(x)), mask)
        return normed


class NonLocalBlock(nn.Module):
    """x + BatchNorm(Linear(mean over j of (query_i . key_j) value_j)): attention without a softmax (Wang et al., 2018).

    The normalisation starts at 0, so that the block starts as the identity.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(dim, dim // 2)
        self.key = nn.Linear(dim, dim // 2)
        self.value = nn.Linear(dim, dim // 2)
        self.out = nn.Linear(dim // 2, dim, bias=False)
        self.norm = SnippetBatchNorm(dim)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: [B, T, D]; mask: [B, T] bool, padding has no part in the mean. Returns [B, T, D]."""
        affinity = self.query(x) @ self.key(x).transpose(1, 2) * mask[:, None, :]
        mean = affinity @ self.value(x) / mask.sum(dim=1)[:, None, None]
        out: Tensor = x + self.norm(self.out(mean), mask)
        return out


class MultiScaleTemporal(nn.Module):
    """Three dilated convolutions to D/4 each and a non-local block on D/4, joined by a convolution, and a residual."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        quarter = dim // 4
        self.scales = nn.ModuleList(ConvBlock(dim, quarter, dilation=dilation) for dilation in DILATIONS)
        self.reduce = nn.Linear(dim, quarter)
        self.non_local = NonLocalBlock(quarter)
        self.join = ConvBlock(4 * quarter, dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: [B, T, D]; mask: [B, T] bool. Returns [B, T, D], zero in padding."""
        keep = mask[..., None]
        x = x * keep
        near = [scale(x, mask) for scale in self.scales]
        everywhere = self.non_local(functional.relu(self.reduce(x)), mask) * keep
        joined: Tensor = x + self.join(torch.cat([*near, everywhere], dim=-1), mask)
        return joined


class SnippetBatchNorm(nn.BatchNorm1d):
    """Every channel to mean 0 and deviation 1 over the real snippets of a batch; padding has no part in either."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """x: [B, T, D]; mask: [B, T] bool. Returns [B, T, D], zero in padding."""
        normed = super().forward(x[mask])
        padded = normed.new_zeros(x.shape)
        padded[mask] = normed
        return padded
