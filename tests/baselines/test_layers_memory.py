import math

import pytest
import torch

from avadclip.baselines.layers import SlotMemory


def test_a_memory_by_hand() -> None:
    memory = SlotMemory(4, num_slots=17)  # 17 // 16 + 1 = 2 best slots
    with torch.no_grad():
        memory.slots.zero_()
        memory.slots[3] = torch.tensor([2.0, 0.0, 0.0, 0.0])
        memory.slots[5] = torch.tensor([-4.0, 0.0, 1.0, 0.0])
    recall = memory(torch.tensor([[[3.0, 9.0, 0.0, 0.0]]]))

    def likeness(logit: float) -> float:
        return 1 / (1 + math.exp(-logit))

    third, fifth = likeness(3 * 2 / 2), likeness(3 * -4 / 2)  # sqrt(4) = 2
    score = (third + 0.5) / 2  # slots of zeros are as like as not
    assert recall.log_known.item() == pytest.approx(math.log(score), rel=1e-5)
    assert recall.log_unknown.item() == pytest.approx(math.log(1 - score), rel=1e-5)
    torch.testing.assert_close(recall.read[0, 0], torch.tensor([2 * third - 4 * fifth, 0.0, fifth, 0.0]))


def test_a_memory_of_sixty_asks_its_four_best_slots() -> None:
    assert SlotMemory(8, num_slots=60).num_best == 4


def test_what_is_surely_known_has_a_finite_cross_entropy() -> None:
    memory = SlotMemory(1, num_slots=1)
    memory.slots.data.fill_(1.0)
    x = torch.tensor([[[60.0]]], requires_grad=True)
    memory(x).log_unknown.backward()
    assert memory(x).log_unknown.item() == pytest.approx(-60.0)
    assert x.grad.item() == pytest.approx(-1.0)
