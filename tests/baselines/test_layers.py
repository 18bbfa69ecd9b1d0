import math

import pytest
import torch
from torch.nn import functional

from avadclip.baselines.layers import (
    GlobalLocalAttention,
    MultiScaleTemporal,
    NonLocalBlock,
    SlotMemory,
    SnippetBatchNorm,
    distance_weights,
)

from .made_up_bags import shake

MASK = torch.tensor([[True, True, True], [True, False, False]])
LENGTHS = [1, 5, 14]


def test_distance_weights_equal_a_loop() -> None:
    lengths, longest = [5, 2, 1], 5
    weights = distance_weights(torch.arange(longest) < torch.tensor(lengths)[:, None])
    for bag, length in enumerate(lengths):
        for i in range(longest):
            near = [math.exp(-abs(i - j) / math.e) for j in range(length)]
            expected = [value / sum(near) for value in near] + [0.0] * (longest - length)
            torch.testing.assert_close(weights[bag, i], torch.tensor(expected))


def test_distance_weights_are_finite_far_behind_the_last_snippet() -> None:
    weights = distance_weights(torch.arange(2000)[None] < 1)
    assert (weights[0, :, 0] == 1.0).all()


def test_global_local_attention_mixes_by_content_and_by_distance() -> None:
    attention = shake(GlobalLocalAttention(6, num_heads=2, head_dim=3, dropout=0.5))
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    query, key, value, near = (x[:3] @ attention.projections.weight.T).chunk(4, dim=-1)
    by_distance = distance_weights(torch.ones(1, 3, dtype=torch.bool))[0]
    parts = []
    for head in (slice(0, 3), slice(3, 6)):
        weights = (query[:, head] @ key[:, head].T / math.sqrt(3)).softmax(dim=-1)
        parts += [weights @ value[:, head], by_distance @ near[:, head]]
    expected = attention.out(torch.cat(parts, dim=-1))
    mixed = attention(x[None], torch.tensor([[True, True, True, False]]))
    torch.testing.assert_close(mixed[0, :3], expected, rtol=1e-5, atol=1e-5)


def test_slot_memory_on_a_worked_example() -> None:
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


def test_slot_memory_of_60_slots_averages_the_best_4() -> None:
    assert SlotMemory(8, num_slots=60).num_best == 4


def test_slot_memory_has_a_finite_cross_entropy_near_one() -> None:
    memory = SlotMemory(1, num_slots=1)
    memory.slots.data.fill_(1.0)
    x = torch.tensor([[[60.0]]], requires_grad=True)
    memory(x).log_unknown.backward()
    assert memory(x).log_unknown.item() == pytest.approx(-60.0)
    assert x.grad.item() == pytest.approx(-1.0)


def padded(lengths: list[int], longest: int, padding: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.full((len(lengths), longest, 8), padding)
    for index, length in enumerate(lengths):
        x[index, :length] = torch.randn(length, 8, generator=generator)
    return x, torch.arange(longest) < torch.tensor(lengths)[:, None]


def test_multi_scale_widths_are_quarters() -> None:
    temporal = MultiScaleTemporal(512)
    assert [(scale.conv.weight.shape, scale.conv.dilation) for scale in temporal.scales] == [
        ((128, 512, 3), (1,)),
        ((128, 512, 3), (2,)),
        ((128, 512, 3), (4,)),
    ]
    assert temporal.reduce.weight.shape == (128, 512)
    assert temporal.non_local.query.weight.shape == (64, 128)
    assert temporal.join.conv.weight.shape == (512, 512, 3)


def test_multi_scale_equals_its_layers_written_out() -> None:
    temporal = shake(MultiScaleTemporal(8))
    x = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    near = []
    for scale, reach in zip(temporal.scales, (1, 2, 4), strict=True):
        rows = functional.pad(x, (0, 0, reach, reach))
        taps = [rows[tap * reach : tap * reach + 6] @ scale.conv.weight[:, :, tap].T for tap in range(3)]
        near.append(scale.norm(torch.relu(sum(taps) + scale.conv.bias)[None], torch.ones(1, 6, dtype=torch.bool))[0])
    everywhere = temporal.non_local(torch.relu(temporal.reduce(x))[None], torch.ones(1, 6, dtype=torch.bool))[0]
    joined = temporal.join(torch.cat([*near, everywhere], dim=-1)[None], torch.ones(1, 6, dtype=torch.bool))[0]
    mixed = temporal(x[None], torch.ones(1, 6, dtype=torch.bool))
    torch.testing.assert_close(mixed[0], x + joined, rtol=1e-5, atol=1e-5)


def test_non_local_block_is_a_mean_over_pairs() -> None:
    block = shake(NonLocalBlock(4))
    x = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(2))
    mask = torch.arange(5)[None] < 3
    means = torch.zeros(5, 2)
    for i in range(3):
        for j in range(3):
            means[i] += (block.query(x[0, i]) @ block.key(x[0, j])) * block.value(x[0, j]) / 3
    expected = x[:, :3] + block.norm(block.out(means)[None], mask)[:, :3]
    torch.testing.assert_close(block(x, mask)[:, :3], expected, rtol=1e-5, atol=1e-5)


def test_multi_scale_reaches_five_snippets_either_side_before_training() -> None:
    torch.manual_seed(0)
    temporal = MultiScaleTemporal(32).eval()
    x = torch.randn(1, 16, 32, requires_grad=True)
    temporal(x, torch.ones(1, 16, dtype=torch.bool))[0, 8].sum().backward()
    reached = x.grad[0].abs().sum(dim=-1) > 0
    assert reached.tolist() == [abs(i - 8) <= 5 for i in range(16)]  # 4 by the widest, 1 more by the last


@pytest.mark.parametrize("training", [True, False])
def test_multi_scale_ignores_padding(training: bool) -> None:
    temporal = shake(MultiScaleTemporal(8)).train(training)
    x, mask = padded(LENGTHS, 14, 0.0)
    wide, wide_mask = padded(LENGTHS, 23, 5.0)
    mixed = temporal(wide, wide_mask)
    torch.testing.assert_close(mixed[:, :14][mask], temporal(x, mask)[mask], rtol=1e-4, atol=1e-5)
    assert (mixed[~wide_mask] == 0.0).all()


def test_batch_norm_uses_real_snippets_only() -> None:
    x = torch.tensor([[[1.0], [2.0], [3.0]], [[6.0], [100.0], [-100.0]]])
    norm = SnippetBatchNorm(1)
    normed = norm(x, MASK)
    # 1, 2, 3, 6: mean 3, variance 3.5
    expected = torch.tensor([[[-2.0], [-1.0], [0.0]], [[3.0], [0.0], [0.0]]]) / 3.5**0.5
    torch.testing.assert_close(normed, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_mean, torch.tensor([0.3]))  # momentum .1


def test_batch_norm_leaves_padding_zero_in_eval_mode() -> None:
    norm = SnippetBatchNorm(2).eval()
    norm.bias.data.fill_(7.0)
    normed = norm(torch.zeros(2, 3, 2), MASK)
    assert (normed[MASK] == 7.0).all()
    assert (normed[~MASK] == 0.0).all()
