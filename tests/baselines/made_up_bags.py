"""Bags and weights of noise for tests of comparison systems."""

import torch
from torch import Tensor, nn

from avadclip.model.models import Bags

VISUAL_DIM, AUDIO_DIM = 6, 5
LENGTHS = (7, 1, 4)
TARGETS = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def make_bags() -> Bags:
    """Bags of LENGTHS, always the same."""
    generator = torch.Generator().manual_seed(0)
    valid = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]

    def rows(width: int) -> Tensor:
        return torch.randn(*valid.shape, width, generator=generator).masked_fill(~valid[..., None], 0.0)

    return Bags(rows(VISUAL_DIM), rows(AUDIO_DIM), valid)


@torch.no_grad()
def shake(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights of realistic size everywhere, zero-initialised ones included; evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        fan_in = parameter[0].numel() if parameter.dim() > 1 else 4
        parameter.copy_(noise * fan_in**-0.5)
    return module.eval()
