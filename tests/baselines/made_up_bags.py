"""Bags and weights of noise for tests of compared systems."""

import torch
from torch import Tensor, nn

from avadclip.model.base import Bags, Batch

VISUAL_DIM, AUDIO_DIM = 6, 5
LENGTHS = (7, 1, 4)
TARGETS = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def make_bags() -> Bags:
    """Bags of LENGTHS, always the same."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]

    def rows(width: int) -> Tensor:
        return torch.randn(*mask.shape, width, generator=generator).masked_fill(~mask[..., None], 0.0)

    return Bags(rows(VISUAL_DIM), rows(AUDIO_DIM), mask)


def make_batch(bags: Bags, targets: Tensor) -> Batch:
    """These bags under their weak labels; all have sound, or none."""
    return Batch(bags, targets, torch.full((len(targets),), bags.audio is not None))


@torch.no_grad()
def shake(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights of realistic size everywhere, zero-initialised ones included; evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        fan_in = parameter[0].numel() if parameter.dim() > 1 else 4
        parameter.copy_(noise * fan_in**-0.5)
    return module.eval()
