"""A memory of learned slots that snippets are compared with, and made up from (UR-DMU, Zhou et al., 2023)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOTS_PER_PICK = 16


class Recall(NamedTuple):
    """What a memory has to say of snippets."""

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
