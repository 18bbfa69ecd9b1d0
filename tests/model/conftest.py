from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from avadclip.config import NetworkConfig, TemporalConfig
from avadclip.inference.networks import build_network
from avadclip.model.avadclip import AVadCLIP
from avadclip.model.base import Bags
from avadclip.model.class_text import FixedClassVectors

torch.set_num_threads(1)

DIM = 16
CLASSES = ("normal", "fighting", "riot", "explosion")


@torch.no_grad()
def shake(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights of realistic size everywhere, zero-initialised and near-zero ones included; evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        fan_in = parameter[0].numel() if parameter.dim() > 1 else 4
        parameter.copy_(noise * fan_in**-0.5)
    return module.eval()


def tiny_network(kind: str = "teacher", *, seed: int = 0, **changes: object) -> AVadCLIP:
    """A network of the real structure, 16 channels wide, window 4 for all, with constant class features."""
    settings: dict[str, object] = {
        "embed_dim": DIM,
        "student_temporal": TemporalConfig(num_blocks=1, attention_window=4),
        **changes,
    }
    network = build_network(kind, visual_dim=20, audio_dim=12, classes=CLASSES, network=NetworkConfig(**settings))
    network.class_text = FixedClassVectors(torch.randn(4, DIM, generator=torch.Generator().manual_seed(5)))
    shake(network, seed)
    return network


def random_bags(lengths: list[int], longest: int | None = None, *, seed: int = 0, padding: float = 0.0) -> Bags:
    """Features 20 (visual) and 12 (audio) wide; what stands in the padding is `padding`."""
    generator = torch.Generator().manual_seed(seed)
    longest = max(lengths) if longest is None else longest
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]

    def rows(width: int) -> Tensor:
        padded = torch.full((len(lengths), longest, width), padding)
        for index, length in enumerate(lengths):
            padded[index, :length] = torch.randn(length, width, generator=generator)
        return padded

    return Bags(rows(20), rows(12), mask)


@pytest.fixture(scope="session", name="shake")
def _shake() -> Callable[..., nn.Module]:
    return shake


@pytest.fixture(scope="session", name="tiny_network")
def _tiny_network() -> Callable[..., AVadCLIP]:
    return tiny_network


@pytest.fixture(scope="session", name="random_bags")
def _random_bags() -> Callable[..., Bags]:
    return random_bags
