from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from avadclip.baselines.system import System
from avadclip.nn.models import Bags

torch.set_num_threads(1)

LENGTHS = [1, 18, 35, 3]
TARGETS = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]])  # the normal bags first, as paired systems need


@torch.no_grad()
def shake(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights of realistic size everywhere, zero-initialised ones included; evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        fan_in = parameter[0].numel() if parameter.dim() > 1 else 4
        parameter.copy_(noise * fan_in**-0.5)
    return module.eval()


def seen_bags(lengths: list[int], *, width: int, longest: int | None = None, padding: float = 0.0) -> Bags:
    """Bags without sound; what stands in the padding is `padding`."""
    generator = torch.Generator().manual_seed(0)
    longest = longest or max(lengths)
    visual = torch.full((len(lengths), longest, width), padding)
    for index, length in enumerate(lengths):
        visual[index, :length] = torch.randn(length, width, generator=generator)
    return Bags(visual, None, torch.arange(longest) < torch.tensor(lengths)[:, None])


@torch.no_grad()
def check_padding(system: System, width: int) -> None:
    """Neither padding nor the other bags of a batch change what is said of a real snippet; padding changes no loss."""
    shake(system)
    tight, wide = seen_bags(LENGTHS, width=width), seen_bags(LENGTHS, width=width, longest=50, padding=9.0)
    padded = _joined(system, wide)
    for bag, length in enumerate(LENGTHS):
        alone = _joined(system, tight.take(torch.tensor([bag])))
        torch.testing.assert_close(padded[bag, :length], alone[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(system.losses(wide, TARGETS), system.losses(tight, TARGETS), rtol=1e-4, atol=1e-4)


def check_gradients(system: System, width: int) -> None:
    """Every parameter learns from one training step on bags of any length, those of a single snippet included."""
    torch.manual_seed(0)
    shake(system).train()
    losses = system.losses(seen_bags(LENGTHS, width=width), TARGETS)
    assert all(loss.shape == () for loss in losses.values())
    sum(losses.values()).backward()
    for name, parameter in system.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # A softmax over keys does not see what is added to all of them.
        assert parameter.grad.any() or name.endswith("key.bias"), name


def _joined(system: System, bags: Bags) -> Tensor:
    """All outputs side by side, [B, T, 1 or 1 + C]."""
    anomaly_logits, class_logits = system(bags)
    return torch.cat([anomaly_logits[..., None], *([] if class_logits is None else [class_logits])], dim=-1)


@pytest.fixture(scope="session", name="shake")
def _shake() -> Callable[..., nn.Module]:
    return shake


@pytest.fixture(scope="session", name="check_padding")
def _check_padding() -> Callable[[System, int], None]:
    return check_padding


@pytest.fixture(scope="session", name="check_gradients")
def _check_gradients() -> Callable[[System, int], None]:
    return check_gradients
