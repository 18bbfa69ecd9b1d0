import pytest
import torch
from torch.nn import functional

from avadclip.baselines.layers import MultiScaleTemporal, NonLocalBlock

LENGTHS = [1, 5, 14]


def padded(lengths: list[int], longest: int, padding: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.full((len(lengths), longest, 8), padding)
    for index, length in enumerate(lengths):
        x[index, :length] = torch.randn(length, 8, generator=generator)
    return x, torch.arange(longest) < torch.tensor(lengths)[:, None]


def test_widths_are_quarters() -> None:
    temporal = MultiScaleTemporal(512)
    assert [(scale.conv.weight.shape, scale.conv.dilation) for scale in temporal.scales] == [
        ((128, 512, 3), (1,)),
        ((128, 512, 3), (2,)),
        ((128, 512, 3), (4,)),
    ]
    assert temporal.reduce.weight.shape == (128, 512)
    assert temporal.non_local.query.weight.shape == (64, 128)
    assert temporal.join.conv.weight.shape == (512, 512, 3)


def test_one_bag_equals_the_layers_written_out(shake) -> None:
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


def test_a_non_local_block_is_a_mean_over_pairs(shake) -> None:
    block = shake(NonLocalBlock(4))
    x = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(2))
    valid = torch.arange(5)[None] < 3
    means = torch.zeros(5, 2)
    for i in range(3):
        for j in range(3):
            means[i] += (block.query(x[0, i]) @ block.key(x[0, j])) * block.value(x[0, j]) / 3
    expected = x[:, :3] + block.norm(block.out(means)[None], valid)[:, :3]
    torch.testing.assert_close(block(x, valid)[:, :3], expected, rtol=1e-5, atol=1e-5)


def test_before_training_a_snippet_hears_from_five_on_either_side() -> None:
    torch.manual_seed(0)
    temporal = MultiScaleTemporal(32).eval()
    x = torch.randn(1, 16, 32, requires_grad=True)
    temporal(x, torch.ones(1, 16, dtype=torch.bool))[0, 8].sum().backward()
    touched = x.grad[0].abs().sum(dim=-1) > 0
    assert touched.tolist() == [abs(i - 8) <= 5 for i in range(16)]  # 4 by the widest, 1 more by the last


@pytest.mark.parametrize("training", [True, False])
def test_padding_changes_nothing_in_training_either(shake, training: bool) -> None:
    temporal = shake(MultiScaleTemporal(8)).train(training)
    x, valid = padded(LENGTHS, 14, 0.0)
    wide, wide_valid = padded(LENGTHS, 23, 5.0)
    mixed = temporal(wide, wide_valid)
    torch.testing.assert_close(mixed[:, :14][valid], temporal(x, valid)[valid], rtol=1e-4, atol=1e-5)
    assert (mixed[~wide_valid] == 0.0).all()
