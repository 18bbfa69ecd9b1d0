import math

import pytest
import torch

from avadclip.baselines.hl_net import HlNet
from avadclip.config import OptimizerConfig
from avadclip.training.optimizer import build_optimizer, learning_rate, set_learning_rate


def test_the_rate_falls_to_a_tenth_after_each_milestone() -> None:
    config = OptimizerConfig(learning_rate=1.0, epochs=5, milestones=(1, 3))
    assert [learning_rate(config, epoch) for epoch in range(1, 6)] == pytest.approx([1, 0.1, 0.1, 0.01, 0.01])


def test_the_rate_falls_along_a_cosine() -> None:
    config = OptimizerConfig(learning_rate=0.2, epochs=4, schedule="cosine")
    found = [learning_rate(config, epoch) for epoch in range(1, 5)]
    assert found == pytest.approx([0.2, 0.1 + 0.1 * math.sqrt(0.5), 0.1, 0.1 - 0.1 * math.sqrt(0.5)])


def test_a_cosine_may_be_longer_than_the_training() -> None:
    """MACIL-SD's: 60 epochs to zero, of which 50 are trained; after them 6.7 % of the rate are left."""
    config = OptimizerConfig(learning_rate=1.0, epochs=50, schedule="cosine", cosine_epochs=60)
    assert [learning_rate(config, epoch) for epoch in (1, 31, 51)] == pytest.approx([1.0, 0.5, 0.067], abs=5e-4)


@pytest.mark.parametrize("kind", ["adamw", "adam", "adagrad"])
def test_named_parameters_take_their_share_of_every_rate(kind: str) -> None:
    system = HlNet(visual_dim=4, audio_dim=3)
    optimizer = build_optimizer(system, OptimizerConfig(kind=kind, learning_rate=0.5))
    set_learning_rate(optimizer, 0.25)
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in system.named_parameters():
        assert rates[id(parameter)] == (0.125 if name.startswith("trunk.online.") else 0.25), name


@pytest.mark.parametrize(("kind", "kept"), [("adamw", 0.9), ("adam", 1.0)])
def test_weight_decay_is_apart_from_the_gradient_in_adamw_only(kind: str, kept: float) -> None:
    """One step without a gradient: AdamW shrinks a weight by rate * decay, Adam by a whole rate along the decay."""
    system = HlNet(visual_dim=4, audio_dim=3)
    optimizer = build_optimizer(system, OptimizerConfig(kind=kind, learning_rate=0.1, weight_decay=1.0))
    weight = system.classify.weight
    with torch.no_grad():
        weight.fill_(2.0)
    weight.grad = torch.zeros_like(weight)
    optimizer.step()
    expected = 2.0 * kept if kind == "adamw" else 2.0 - 0.1
    torch.testing.assert_close(weight.detach(), torch.full_like(weight, expected), rtol=1e-4, atol=0)
