import math

import pytest
import torch

from avadclip.baselines.layers import Recall
from avadclip.baselines.ur_dmu import Half, UrDmu, kl_loss, magnitude_loss, memory_loss, triplet_loss
from avadclip.model.base import Bags

from .made_up_bags import make_batch, shake

MASK = torch.tensor([[True, True, True, False]])
UNUSED = torch.zeros(1, 4, 2)  # the losses of the memories do not use `read`


def pair_of_bags() -> Bags:
    visual = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(0))
    return Bags(visual, None, torch.ones(2, 3, dtype=torch.bool))


def recall(*scores: float) -> Recall:
    """Of one bag of three snippets; its padding has the highest and the lowest score."""
    known = torch.tensor([[*scores, 1.0 - 1e-7]])
    return Recall(UNUSED, known.log(), (1 - known).log())


def half(features: list[list[float]], *, in_normal: Recall, in_anomalous: Recall) -> Half:
    padded = torch.tensor([[*features, [1e3, -1e3]]])
    return Half(padded, MASK, in_normal, in_anomalous)


@pytest.fixture
def normal() -> Half:
    return half(
        [[0.0, 3.0], [5.0, 5.0], [4.0, 0.0]], in_normal=recall(0.9, 0.6, 0.5), in_anomalous=recall(0.1, 0.2, 0.4)
    )


@pytest.fixture
def anomalous() -> Half:
    return half(
        [[2.0, 2.0], [0.0, 7.0], [6.0, 0.0]], in_normal=recall(0.8, 0.7, 0.3), in_anomalous=recall(0.2, 0.1, 0.6)
    )


def test_memory_loss_on_a_worked_example(normal: Half, anomalous: Half) -> None:
    knows_some, misses_some = math.log(0.6), math.log(1 - 0.3)  # k = 1 of three snippets
    knows_all = (math.log(0.9) + math.log(0.6) + math.log(0.5)) / 3
    knows_none = (math.log(0.9) + math.log(0.8) + math.log(0.6)) / 3
    expected = -(knows_some + misses_some + knows_all + knows_none)
    assert memory_loss(normal, anomalous).item() == pytest.approx(expected, rel=1e-5)


def test_triplet_loss_on_a_worked_example(normal: Half, anomalous: Half) -> None:
    # Anchor (0, 3), positive (2, 2), negative (6, 0): at unit length (0, 1), (s, s), (1, 0) with s = 1 / sqrt(2).
    to_positive = math.hypot(1 / math.sqrt(2), 1 - 1 / math.sqrt(2))
    to_negative = math.sqrt(2)
    expected = to_positive - to_negative + 1
    assert triplet_loss(normal, anomalous).item() == pytest.approx(expected, rel=1e-4)


def test_kl_loss_sums_over_snippets_and_averages_over_channels() -> None:
    mean = torch.tensor([[[1.0, 0.0], [0.0, 0.0], [2.0, 0.0], [9.0, 9.0]]])
    log_variance = torch.zeros(1, 4, 2)
    log_variance[0, 1, 1] = math.log(4.0)
    expected = 0.5 * (1.0 + (4.0 - 1.0 - math.log(4.0)) + 4.0) / 2
    assert kl_loss(mean, log_variance, MASK).item() == pytest.approx(expected, rel=1e-5)
    reference = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (0.5 * log_variance).exp()), torch.distributions.Normal(0.0, 1.0)
    )
    assert kl_loss(mean, log_variance, MASK).item() == pytest.approx(reference[:, :3].sum().item() / 2, rel=1e-5)


def test_magnitude_loss_is_zero_beyond_a_margin_of_100() -> None:
    normal, anomalous = torch.tensor([[3.0, 4.0], [3.0, 4.0]]), torch.tensor([[60.0, 80.0], [600.0, 800.0]])
    assert magnitude_loss(normal, anomalous).item() == pytest.approx((100 - 100 + 5 + 0) / 2)


def test_loss_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    system = shake(UrDmu(visual_dim=6))
    for name in ("memory_loss", "triplet_loss", "kl_loss", "magnitude_loss"):
        monkeypatch.setattr(f"avadclip.baselines.ur_dmu.{name}", lambda *_: torch.tensor(1.0))
    monkeypatch.setattr("avadclip.baselines.ur_dmu.anomaly_mil_loss", lambda *_: torch.tensor(1.0))
    bags = pair_of_bags()
    weights = {name: loss.item() for name, loss in system.losses(make_batch(bags, torch.eye(2))).items()}
    assert weights == pytest.approx({"anomaly": 1, "memory": 0.1, "triplet": 0.1, "kl": 0.001, "magnitude": 0.0001})


def test_layer_sizes() -> None:
    system = UrDmu(visual_dim=512)
    shapes = {name: tuple(parameter.shape) for name, parameter in system.named_parameters()}
    assert shapes["embed.weight"] == (512, 512, 3)
    assert len(system.blocks) == 2
    assert shapes["blocks.1.attention.projections.weight"] == (4 * 4 * 128, 512)
    assert shapes["blocks.1.attention.out.weight"] == (512, 2 * 4 * 128)
    assert shapes["normal_memory.slots"] == shapes["anomalous_memory.slots"] == (60, 512)
    assert shapes["classify.0.weight"] == (128, 1024)
    assert shapes["classify.2.weight"] == (1, 128)


def test_only_normal_codes_are_sampled_and_only_in_training() -> None:
    system = shake(UrDmu(visual_dim=6))
    bags = pair_of_bags()
    for module in system.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    first = system.losses(make_batch(bags, torch.eye(2)))
    assert system.losses(make_batch(bags, torch.eye(2))) == first
    system.train()
    drawn = [system.losses(make_batch(bags, torch.eye(2))) for _ in range(2)]
    assert drawn[0]["anomaly"] != drawn[1]["anomaly"]
    assert drawn[0]["memory"] == drawn[1]["memory"]
