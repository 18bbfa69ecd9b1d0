"""Bags of noise for tests of comparison systems, with a choice of what stands in the padding."""

import torch
from torch import Tensor
from torch.nn import functional

from avadclip.baselines.system import System
from avadclip.nn.models import Bags

VISUAL_DIM, AUDIO_DIM = 6, 5
LENGTHS = (7, 1, 4)
TARGETS = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def make_bags(*, extra: int = 0, padding: float = 0.0) -> Bags:
    """Bags of LENGTHS, always the same; padded to `extra` snippets more than the longest."""
    generator = torch.Generator().manual_seed(0)
    valid = torch.arange(max(LENGTHS) + extra) < torch.tensor(LENGTHS)[:, None]

    def rows(width: int) -> Tensor:
        real = torch.randn(len(LENGTHS), max(LENGTHS), width, generator=generator)
        return functional.pad(real, (0, 0, 0, extra)).masked_fill(~valid[..., None], padding)

    return Bags(rows(VISUAL_DIM), rows(AUDIO_DIM), valid)


def check_independence(system: System) -> None:
    """Scores do not depend on padding or on other bags, losses not on padding; for a system in eval mode."""
    bags, other = make_bags(), make_bags(extra=5, padding=3.0)
    outputs, others = system(bags), system(other)
    torch.manual_seed(0)  # of what a loss draws
    losses = system.losses(bags, TARGETS)
    torch.manual_seed(0)
    other_losses = system.losses(other, TARGETS)
    for index, length in enumerate(LENGTHS):
        alone = system(bags.take(torch.tensor([index])))
        for rows, padded, own in zip(outputs, others, alone, strict=True):
            if rows is not None:
                torch.testing.assert_close(padded[index, :length], rows[index, :length])
                torch.testing.assert_close(own[0], rows[index, :length])
    assert losses.keys() == other_losses.keys()
    for name, value in losses.items():
        assert value.shape == ()
        torch.testing.assert_close(other_losses[name], value, msg=lambda text, name=name: f"{name}: {text}")
