import math

import pytest
import torch

from avadclip.baselines.hl_net import HlNet, online_loss, score_adjacency
from avadclip.model.base import Bags

from .made_up_bags import make_batch


def make_bags(length: int) -> Bags:
    generator = torch.Generator().manual_seed(0)
    visual, audio = (torch.randn(2, length, width, generator=generator) for width in (5, 3))
    return Bags(visual, audio, torch.ones(2, length, dtype=torch.bool))


def test_online_branch_is_causal() -> None:
    system = HlNet(visual_dim=5, audio_dim=3).eval()
    bags = make_bags(12)
    altered = bags.visual.clone()
    altered[:, 7:] += 1.0
    before, after = system.online_logits(bags), system.online_logits(bags._replace(visual=altered))
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.equal(before[:, 7], after[:, 7])
    offline = system(*bags).anomaly_logits, system(*bags._replace(visual=altered)).anomaly_logits
    assert not torch.equal(offline[0][:, 0], offline[1][:, 0])


def test_score_adjacency_on_a_worked_example() -> None:
    scores, mask = torch.tensor([[0.9, 0.9, 0.1, 0.5]]), torch.tensor([[True, True, True, False]])
    alike, apart = 1 / (1 + math.exp(-5)), 1 / (1 + math.exp(3))  # closeness 1 and .2
    row = [math.exp(alike), math.exp(alike), math.exp(apart)]
    expected = torch.tensor([*row, 0.0]) / sum(row)
    torch.testing.assert_close(score_adjacency(scores, mask)[0, 0], expected)
    assert score_adjacency(scores, mask)[0, 3].tolist() == [0.0] * 4


def test_online_loss_trains_the_online_branch_only() -> None:
    online = torch.zeros(2, 2, requires_grad=True)
    offline = torch.tensor([[0.0, 9.0], [0.0, 0.0]], requires_grad=True)
    mask = torch.tensor([[True, False], [True, True]])
    loss = online_loss(online, offline, mask)
    assert loss.item() == pytest.approx(0.5 * math.log(2))
    loss.backward()
    assert offline.grad is None
    torch.testing.assert_close(online.grad, torch.tensor([[-0.125, 0.0], [-0.0625, -0.0625]]))


def test_losses_are_both_branches_and_five_times_the_distillation() -> None:
    system, bags = HlNet(visual_dim=5, audio_dim=3).eval(), make_bags(10)
    losses = system.losses(make_batch(bags, torch.tensor([[1.0, 0.0], [0.0, 1.0]])))
    assert losses.keys() == {"anomaly", "online_anomaly", "distillation"}
    logits = system(*bags).anomaly_logits
    top = logits.topk(1, dim=1).values[:, 0]  # 10 // 16 + 1
    assert losses["anomaly"].item() == pytest.approx(
        (-torch.log(1 - top[0].sigmoid()) - torch.log(top[1].sigmoid())).item() / 2, rel=1e-5
    )
    plain = online_loss(system.online_logits(bags), logits, bags.mask)
    assert losses["distillation"].item() == pytest.approx(5 * plain.item(), rel=1e-5)
