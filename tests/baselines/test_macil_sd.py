import math

import pytest
import torch

from avadclip.baselines.macil_sd import MacilSd, Stream, contrasts, info_nce, momentum
from avadclip.model.base import Bags


def unit(*degrees: float) -> torch.Tensor:
    return torch.tensor([[math.cos(math.radians(d)), math.sin(math.radians(d))] for d in degrees])


def test_info_nce_on_a_worked_example() -> None:
    # One pair at 60 degrees, negatives at 90 and 180 from the query; temperature .1.
    share = math.exp(5) / (math.exp(5) + math.exp(0) + math.exp(-10))
    loss = info_nce(3 * unit(0), unit(60), 2 * unit(90, 180), torch.ones(1))
    assert loss.item() == pytest.approx(-math.log(share), rel=1e-5)


def test_info_nce_weights_its_pairs() -> None:
    queries, positives, negatives = unit(0, 0), unit(0, 90), unit(90)
    each = [info_nce(queries[i : i + 1], positives[i : i + 1], negatives, torch.ones(1)).item() for i in range(2)]
    both = info_nce(queries, positives, negatives, torch.tensor([3.0, 1.0])).item()
    assert both == pytest.approx((3 * each[0] + each[1]) / 4)


def test_contrasts_pick_the_highest_the_lowest_and_the_normal_snippets() -> None:
    # Two bags of two snippets, k = 1; bag 0 is found anomalous. Rows: highest and lowest of bag 0, then of bag 1.
    visual = Stream(torch.stack([unit(0, 90), unit(180, 270)]), torch.tensor([[2.0, 1.0], [-1.0, -2.0]]))
    audio = Stream(torch.stack([unit(30, 120), unit(210, 300)]), torch.tensor([[2.0, 1.0], [-1.0, -2.0]]))
    mask, found = torch.ones(2, 2, dtype=torch.bool), torch.tensor([True, False])
    background, normal = contrasts(visual, audio, mask, found)
    one = torch.ones(1)
    expected = info_nce(unit(30), unit(0), unit(90, 270), one) + info_nce(unit(0), unit(30), unit(120, 300), one)
    torch.testing.assert_close(background, expected)
    expected = info_nce(unit(30), unit(0), unit(180), one) + info_nce(unit(0), unit(30), unit(210), one)
    torch.testing.assert_close(normal, expected)


@pytest.mark.parametrize("found", [[True, True], [False, False]])
def test_contrasts_are_zero_without_both_kinds_of_bags(found: list[bool]) -> None:
    stream = Stream(torch.stack([unit(0, 90), unit(180, 270)]), torch.zeros(2, 2))
    parts = contrasts(stream, stream, torch.ones(2, 2, dtype=torch.bool), torch.tensor(found))
    assert [part.item() for part in parts] == [0.0, 0.0]


def test_contrast_weight_grows_and_the_visual_network_is_mixed_in_once_an_epoch() -> None:
    system = MacilSd(visual_dim=4, audio_dim=3)
    with torch.no_grad():
        system.network.visual_in.bias.fill_(1.0)
        system.visual_network.visual_in.bias.fill_(3.0)
    audio_before = system.network.audio_in.weight.clone()
    weights = []
    for epoch in (1, 2, 2, 17):  # called again for an epoch that is repeated
        system.begin_epoch(epoch, 50)
        weights.append(system.contrast_weight)
        if epoch == 2:
            torch.testing.assert_close(system.network.visual_in.bias.detach(), torch.full((128,), 1.0 + 0.09 * 2.0))
    assert weights == pytest.approx([0.0, 0.1, 0.1, 1.5])
    assert torch.equal(system.network.audio_in.weight, audio_before)


def test_momentum_rises_towards_one() -> None:
    assert momentum(1, 50) == pytest.approx(0.91)
    assert momentum(26, 50) == pytest.approx(0.955)
    assert 0.999 < momentum(50, 50) < 1.0


def test_frozen_copy_holds_the_published_network_only() -> None:
    system = MacilSd(visual_dim=4, audio_dim=3)
    bags = Bags(torch.randn(1, 5, 4), torch.randn(1, 5, 3), torch.ones(1, 5, dtype=torch.bool))
    frozen = system.frozen()
    assert {name.partition(".")[0] for name in frozen.tensors()} == {"network"}
    torch.testing.assert_close(frozen(*bags).anomaly_logits, system.eval()(*bags).anomaly_logits)
    assert "visual_network.classify.weight" in system.state_dict()
