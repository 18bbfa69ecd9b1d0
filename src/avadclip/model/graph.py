"""Graph convolutions over the snippets of a window, by similarity and by distance in time (VadCLIP's global module)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

SIMILARITY_THRESHOLD = 0.7  # cosine below which two snippets count as unrelated
RESIDUAL_KERNEL = 5  # width in snippets of the first layer's residual convolution


def similarity_adjacency(x: Tensor, mask: Tensor) -> Tensor:
    """Row softmax, over the real snippets, of the cosines with those below the threshold set to 0.

    Args:
        x: [B, T, D]
        mask: [B, T] bool

    Returns:
        [B, T, T]; rows and columns of padding are 0.
    """
    unit = functional.normalize(x, dim=-1, eps=1e-10)
    cosine = functional.threshold(unit @ unit.transpose(1, 2), SIMILARITY_THRESHOLD, 0.0)
    return softmax_rows(cosine, mask)


def softmax_rows(relations: Tensor, mask: Tensor) -> Tensor:
    """Softmax of each row over the real snippets.

    Args:
        relations: [B, T, T]
        mask: [B, T] bool

    Returns:
        [B, T, T]; rows and columns of padding are 0.
    """
    lowest = torch.finfo(relations.dtype).min
    weights = relations.masked_fill(~mask[:, None, :], lowest).softmax(dim=-1)
    return weights * (mask[:, :, None] & mask[:, None, :])


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

    def __init__(self, in_dim: int, out_dim: int, *, kernel: int, dilation: int = 1) -> None:
        super().__init__(in_dim, out_dim, kernel, padding=dilation * (kernel // 2), dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, T, in], zero in padding. Returns [B, T, out]."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class GraphStream(nn.Module):
    """Two graph convolutions on one adjacency, an activation after each."""

    def __init__(self, in_dim: int, out_dim: int, *, activation: nn.Module) -> None:
        super().__init__()
        self.first = GraphConvolution(in_dim, out_dim, residual=SnippetConv(in_dim, out_dim, kernel=RESIDUAL_KERNEL))
        self.second = GraphConvolution(out_dim, out_dim, residual=nn.Identity())
        self.activation = activation

    def forward(self, x: Tensor, adjacency: Tensor, mask: Tensor) -> Tensor:
        """x: [B, T, in]; mask: [B, T] bool. Returns [B, T, out], zero in padding."""
        keep = mask[..., None]
        hidden = self.activation(self.first(x * keep, adjacency)) * keep
        out: Tensor = self.activation(self.second(hidden, adjacency)) * keep
        return out
