"""Bags and weights of noise, the same in every run."""

import torch
from torch import Tensor, nn

from avadclip.model.base import Bags, Batch

VISUAL_DIM, AUDIO_DIM = 12, 7
CLASSES = ("normal", "fighting", "riot")
PAIRED_TARGETS = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]])  # the normal bags first


def make_bags(lengths: list[int], *, longest: int, padding: float = 0.0) -> Bags:
    """Bags of so many snippets, padded to `longest` with the number `padding`."""
    generator = torch.Generator().manual_seed(0)
    visual, audio = (torch.full((len(lengths), longest, width), padding) for width in (VISUAL_DIM, AUDIO_DIM))
    for bag, length in enumerate(lengths):
        for rows in (visual, audio):
            rows[bag, :length] = torch.randn(length, rows.shape[2], generator=generator)
    return Bags(visual, audio, torch.arange(longest) < torch.tensor(lengths)[:, None])


def make_batch(bags: Bags, targets: Tensor) -> Batch:
    """These bags under their weak labels; all have sound, or none."""
    return Batch(bags, targets, torch.full((len(targets),), bags.audio is not None))


@torch.no_grad()
def shake(module: nn.Module, seed: int = 0) -> None:
    """Give every parameter values of realistic size, zero-initialised ones included; sets evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        fan_in = parameter[0].numel() if parameter.dim() > 1 else 4
        parameter.copy_(noise * fan_in**-0.5)
    module.eval()
