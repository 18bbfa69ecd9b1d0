"""Graph convolutions over the snippets of a window, by similarity and by distance in time (VadCLIP's global module)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip.nn.attention import QuickGelu

SIMILARITY_THRESHOLD = 0.7  # cosine below which two snippets count as unrelated
RESIDUAL_KERNEL = 5  # snippets seen by the first layer's residual convolution


def similarity_adjacency(x: Tensor, valid: Tensor) -> Tensor:
    """Row softmax, over the valid snippets, of the cosines with those below the threshold set to 0.

    Args:
        x: [B, T, D]
        valid: [B, T] bool

    Returns:
        [B, T, T]; rows and columns of padding are 0.
    """
    unit = functional.normalize(x, dim=-1, eps=1e-10)
    cosine = functional.threshold(unit @ unit.transpose(1, 2), SIMILARITY_THRESHOLD, 0.0)
    lowest = torch.finfo(cosine.dtype).min
    weights = cosine.masked_fill(~valid[:, None, :], lowest).softmax(dim=-1)
    return weights * (valid[:, :, None] & valid[:, None, :])


def distance_adjacency(length: int, *, device: torch.device, dtype: torch.dtype) -> Tensor:
    """exp(-|i - j| / e), not normalised, [T, T]."""
    positions = torch.arange(length, device=device, dtype=dtype)
    return torch.exp(-(positions[:, None] - positions[None, :]).abs() / math.e)


class GraphConvolution(nn.Module):
    """adjacency @ x @ weight + residual(x)."""

    def __init__(self, in_dim: int, out_dim: int, *, residual: nn.Module) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(in_dim, out_dim)))
        self.residual = residual

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """x: [B, T, in], zero in padding; adjacency: [B, T, T] or [T, T]. Returns [B, T, out]."""
        mixed: Tensor = adjacency @ (x @ self.weight) + self.residual(x)
        return mixed


class SnippetConv(nn.Conv1d):
    """Convolution over snippets that keeps their number; takes and gives [B, T, D]."""

    def __init__(self, in_dim: int, out_dim: int, *, kernel: int) -> None:
        super().__init__(in_dim, out_dim, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, T, in], zero in padding. Returns [B, T, out]."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class GraphStream(nn.Module):
    """Two graph convolutions on one adjacency: D -> D/2 -> D/2, QuickGELU after each."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        half = embed_dim // 2
        self.first = GraphConvolution(embed_dim, half, residual=SnippetConv(embed_dim, half, kernel=RESIDUAL_KERNEL))
        self.second = GraphConvolution(half, half, residual=nn.Identity())
        self.activation = QuickGelu()

    def forward(self, x: Tensor, adjacency: Tensor, valid: Tensor) -> Tensor:
        """x: [B, T, D]; valid: [B, T] bool. Returns [B, T, D/2], zero in padding."""
        mask = valid[..., None]
        hidden = self.activation(self.first(x * mask, adjacency)) * mask
        out: Tensor = self.activation(self.second(hidden, adjacency)) * mask
        return out
