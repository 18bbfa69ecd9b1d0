import math

import torch
from torch import nn
from torch.nn import functional

from avadclip.model.attention import QuickGelu
from avadclip.model.graph import (
    GraphConvolution,
    GraphStream,
    SnippetConv,
    distance_adjacency,
    similarity_adjacency,
)


def plain_similarity(x: torch.Tensor, length: int) -> torch.Tensor:
    """One bag, snippet by snippet: cosines above .7, softmaxed over the row's mask snippets; zeros elsewhere."""
    adjacency = torch.zeros(len(x), len(x))
    for i in range(length):
        row = []
        for j in range(length):
            cosine = float(x[i] @ x[j] / (x[i].norm() * x[j].norm()))
            row.append(cosine if cosine > 0.7 else 0.0)
        total = sum(math.exp(value) for value in row)
        adjacency[i, :length] = torch.tensor([math.exp(value) / total for value in row])
    return adjacency


def test_similarity_adjacency_equals_a_loop_over_bags_and_snippets() -> None:
    generator = torch.Generator().manual_seed(0)
    # Few dimensions, so that cosines fall on both sides of the threshold.
    x = torch.randn(3, 9, 3, generator=generator)
    lengths = [9, 5, 1]
    adjacency = similarity_adjacency(x, torch.arange(9) < torch.tensor(lengths)[:, None])
    for bag, length in enumerate(lengths):
        torch.testing.assert_close(adjacency[bag], plain_similarity(x[bag], length), rtol=1e-5, atol=1e-6)
    assert adjacency[0].unique().numel() > 9  # cosines on both sides: the case is not a degenerate one


def test_unrelated_snippets_still_count_as_exp_0_in_the_row() -> None:
    x = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]])
    mask = torch.tensor([[True, True, False]])
    e = math.e
    expected = torch.tensor([[[e / (e + 1), 1 / (e + 1), 0.0], [1 / (e + 1), e / (e + 1), 0.0], [0.0, 0.0, 0.0]]])
    torch.testing.assert_close(similarity_adjacency(x, mask), expected)


def test_a_snippet_of_zeros_is_unrelated_to_all_without_dividing_by_zero() -> None:
    x = torch.zeros(1, 3, 4, requires_grad=True)
    adjacency = similarity_adjacency(x, torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(adjacency, torch.full((1, 3, 3), 1 / 3))
    adjacency.square().sum().backward()
    assert x.grad.isfinite().all()


def test_distance_adjacency_by_hand() -> None:
    adjacency = distance_adjacency(3, device=torch.device("cpu"), dtype=torch.float32)
    one, two = math.exp(-1 / math.e), math.exp(-2 / math.e)
    torch.testing.assert_close(adjacency, torch.tensor([[1, one, two], [one, 1, one], [two, one, 1]]))


def test_graph_convolution_mixes_then_adds_its_residual() -> None:
    layer = GraphConvolution(2, 2, residual=nn.Identity())
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 1.0], [0.0, 2.0]]))
    x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    adjacency = torch.tensor([[0.5, 0.5], [0.0, 1.0]])
    # x @ W = [[1, 5], [3, 11]]; mixed = [[2, 8], [3, 11]]; plus x.
    torch.testing.assert_close(layer(x, adjacency), torch.tensor([[[3.0, 10.0], [6.0, 15.0]]]))


def test_snippet_conv_keeps_the_number_of_snippets_and_sees_zeros_outside() -> None:
    conv = SnippetConv(1, 1, kernel=3)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[[1.0, 10.0, 100.0]]]))
        conv.bias.fill_(0.5)
    out = conv(torch.tensor([[[1.0], [2.0], [3.0]]]))
    assert out.flatten().tolist() == [210.5, 321.5, 32.5]


def test_a_stream_is_two_graph_convolutions_the_first_with_a_convolution_around_it(shake) -> None:
    stream = shake(GraphStream(8, 4, activation=QuickGelu()))
    x = torch.randn(1, 7, 8)
    adjacency = torch.rand(7, 7)
    residual = torch.zeros(7, 4)
    conv = stream.first.residual
    assert conv.weight.shape == (4, 8, 5)
    for t in range(7):
        for k in range(5):
            if 0 <= t + k - 2 < 7:
                residual[t] += conv.weight[:, :, k] @ x[0, t + k - 2]
        residual[t] += conv.bias

    def gelu(z: torch.Tensor) -> torch.Tensor:
        return z * torch.sigmoid(1.702 * z)

    hidden = gelu(adjacency @ x[0] @ stream.first.weight + residual)
    expected = gelu(adjacency @ hidden @ stream.second.weight + hidden)
    out = stream(x, adjacency, torch.ones(1, 7, dtype=torch.bool))
    torch.testing.assert_close(out[0], expected, rtol=1e-5, atol=1e-5)


def test_a_stream_gives_zeros_in_padding_and_takes_nothing_from_it(shake) -> None:
    stream = shake(GraphStream(8, 4, activation=QuickGelu()))
    x = torch.randn(1, 5, 8)
    padded = torch.cat([x, torch.full((1, 3, 8), 50.0)], dim=1)
    mask = torch.arange(8)[None] < 5
    out = stream(padded, distance_adjacency(8, device=x.device, dtype=x.dtype), mask)
    alone = stream(x, distance_adjacency(5, device=x.device, dtype=x.dtype), mask[:, :5])
    torch.testing.assert_close(out[:, :5], alone)
    assert (out[:, 5:] == 0).all()


def test_similarity_of_half_precision_is_close() -> None:
    x = torch.randn(2, 6, 8)
    mask = torch.arange(6) < torch.tensor([[6], [3]])
    coarse = similarity_adjacency(functional.normalize(x, dim=-1).bfloat16(), mask).float()
    torch.testing.assert_close(coarse.sum(dim=-1), mask.float(), rtol=0, atol=0.02)
