import math

import torch

from avadclip.baselines.layers import GlobalLocalAttention, distance_weights


def test_distance_weights_equal_a_loop() -> None:
    lengths, longest = [5, 2, 1], 5
    weights = distance_weights(torch.arange(longest) < torch.tensor(lengths)[:, None])
    for bag, length in enumerate(lengths):
        for i in range(longest):
            near = [math.exp(-abs(i - j) / math.e) for j in range(length)]
            expected = [value / sum(near) for value in near] + [0.0] * (longest - length)
            torch.testing.assert_close(weights[bag, i], torch.tensor(expected))


def test_padding_far_behind_has_finite_weights() -> None:
    weights = distance_weights(torch.arange(2000)[None] < 1)
    assert (weights[0, :, 0] == 1.0).all()


def test_each_head_mixes_by_content_and_beside_it_by_distance(shake) -> None:
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
