"""Batch normalisation over the snippets of bags of mixed length."""

from torch import Tensor, nn


class SnippetBatchNorm(nn.BatchNorm1d):
    """Every channel to mean 0 and deviation 1 over the real snippets of a batch; padding has no part in either."""

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:  # type: ignore[override]
        """x: [B, T, D]; valid: [B, T] bool. Returns [B, T, D], zero in padding."""
        normed = super().forward(x[valid])
        padded = normed.new_zeros(x.shape)
        padded[valid] = normed
        return padded
