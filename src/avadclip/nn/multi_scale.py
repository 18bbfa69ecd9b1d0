"""RTFM's temporal model: convolutions of three reaches beside a block that sees everything (Tian et al., 2021)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip.nn.graph import SnippetConv
from avadclip.nn.normalization import SnippetBatchNorm

DILATIONS = (1, 2, 4)
KERNEL = 3  # snippets


class ConvBlock(nn.Module):
    """Convolution over snippets, ReLU, batch normalisation."""

    def __init__(self, in_dim: int, out_dim: int, *, dilation: int = 1) -> None:
        super().__init__()
        self.conv = SnippetConv(in_dim, out_dim, kernel=KERNEL, dilation=dilation)
        self.norm = SnippetBatchNorm(out_dim)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x: [B, T, in], zero in padding; valid: [B, T] bool. Returns [B, T, out], zero in padding."""
        normed: Tensor = self.norm(functional.relu(self.conv(x)), valid)
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

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x: [B, T, D]; valid: [B, T] bool, padding has no part in the mean. Returns [B, T, D]."""
        affinity = self.query(x) @ self.key(x).transpose(1, 2) * valid[:, None, :]
        mean = affinity @ self.value(x) / valid.sum(dim=1)[:, None, None]
        out: Tensor = x + self.norm(self.out(mean), valid)
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

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x: [B, T, D]; valid: [B, T] bool. Returns [B, T, D], zero in padding."""
        mask = valid[..., None]
        x = x * mask
        near = [scale(x, valid) for scale in self.scales]
        everywhere = self.non_local(functional.relu(self.reduce(x)), valid) * mask
        joined: Tensor = x + self.join(torch.cat([*near, everywhere], dim=-1), valid)
        return joined
