"""Bags of mixed length in groups of like length, so that little is computed on padding."""

import torch
from torch import Tensor
from torch.nn import functional

BAGS_PER_GROUP = 8  # fewer leave less padding, but add up more gradients; 6, 8 and 12 are alike on a CPU


def length_groups(valid: Tensor) -> list[Tensor]:
    """Split a batch into groups of about BAGS_PER_GROUP bags, shortest first.

    Args:
        valid: [B, T] bool

    Returns:
        Indices of the bags of each group. One group, in the order given, where all bags are of one length.
    """
    lengths = valid.sum(dim=1)
    num_groups = max(1, len(lengths) // BAGS_PER_GROUP)
    if num_groups == 1 or bool((lengths == lengths[0]).all()):
        return [torch.arange(len(lengths), device=valid.device)]
    return list(lengths.argsort(stable=True).tensor_split(num_groups))


def join_groups(parts: list[Tensor], groups: list[Tensor], length: int) -> Tensor:
    """Put what was computed per group, [b, t, ..] each, back into one [B, length, ..]; zeros behind each part's t."""
    padded = [functional.pad(part, [0, 0] * (part.dim() - 2) + [0, length - part.shape[1]]) for part in parts]
    return torch.cat(padded).index_select(0, torch.cat(groups).argsort())
