import pytest
import torch
from torch.nn import functional

from avadclip.model.graph import distance_adjacency, similarity_adjacency
from avadclip.model.temporal import AudioTcn, CausalConvBlock, LocalGlobalAdapter


def all_of(x: torch.Tensor) -> torch.Tensor:
    return torch.ones(x.shape[:2], dtype=torch.bool)


def effective_weight(conv: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight norm written out, g * v / |v| per output channel, and the bias."""
    scale, direction = conv.parametrizations.weight.original0, conv.parametrizations.weight.original1
    norms = torch.stack([row.norm() for row in direction])
    return scale * direction / norms[:, None, None], conv.bias


def plain_tcn(tcn: AudioTcn, x: torch.Tensor) -> torch.Tensor:
    """One bag [T, D], snippet by snippet."""
    for level, block in enumerate(tcn.levels):
        dilation = 2**level
        hidden = x
        for conv in block.convs:
            weight, bias = effective_weight(conv)
            rows = []
            for t in range(len(hidden)):
                row = bias + weight[:, :, 1] @ hidden[t]
                if t - dilation >= 0:
                    row = row + weight[:, :, 0] @ hidden[t - dilation]
                rows.append(row.clamp(min=0))
            hidden = torch.stack(rows)
        x = (x + hidden).clamp(min=0)
    return x


@pytest.mark.parametrize("length", [1, 2, 5, 20])
def test_audio_tcn_is_three_levels_of_two_plain_causal_convolutions(shake, length: int) -> None:
    tcn = shake(AudioTcn(embed_dim=6))
    x = torch.randn(2, length, 6)
    with torch.no_grad():
        out = tcn(x, all_of(x), all_of(x))
        for bag in range(2):
            torch.testing.assert_close(out[bag], plain_tcn(tcn, x[bag]), rtol=1e-5, atol=1e-5)


def test_audio_tcn_never_hears_the_future_and_hears_fourteen_snippets_back(shake) -> None:
    tcn = shake(AudioTcn(embed_dim=6))
    with torch.no_grad():  # no ReLU may shut a path in this test
        for conv in (conv for block in tcn.levels for conv in block.convs):
            conv.parametrizations.weight.original1.abs_()
            conv.parametrizations.weight.original0.abs_()
            conv.bias.fill_(1.0)
    x = torch.rand(1, 40, 6, requires_grad=True)
    tcn(x, all_of(x), all_of(x))[0, 30].sum().backward()
    touched = [t for t in range(40) if x.grad[0, t].abs().sum() > 0]
    # Two convolutions a level, each reaching 1, 2, 4 back: 2 * (1 + 2 + 4).
    assert touched == list(range(30 - 14, 31))


def test_dropout_works_in_training_only() -> None:
    block = CausalConvBlock(8, dilation=1, dropout=0.5)
    x = torch.randn(1, 8, 30)
    torch.manual_seed(0)
    assert not torch.equal(block(x), block(x))
    block.eval()
    assert torch.equal(block(x), block(x))


@pytest.mark.parametrize("residual", [False, True])
def test_the_adapter_is_positions_then_blocks_then_two_graph_streams_joined(shake, residual: bool) -> None:
    adapter = shake(LocalGlobalAdapter(embed_dim=8, num_blocks=2, attention_window=4, residual=residual))
    x = torch.randn(1, 11, 8)
    mask = all_of(x)
    with torch.no_grad():
        hidden = x + adapter.position_embedding[:11]
        for block in adapter.blocks:
            hidden = block(hidden, mask)
        similar = adapter.similarity_stream(hidden, similarity_adjacency(hidden, mask), mask)
        distance = distance_adjacency(11, device=x.device, dtype=x.dtype)
        near = adapter.distance_stream(hidden, distance, mask)
        # Similarity first, as in the released weights.
        expected = functional.linear(torch.cat([similar, near], dim=-1), adapter.join.weight, adapter.join.bias)
        torch.testing.assert_close(adapter(x, mask, mask), x + expected if residual else expected)


def test_the_adapter_gives_zeros_where_nothing_is_seen(shake) -> None:
    adapter = shake(LocalGlobalAdapter(embed_dim=8, num_blocks=1, attention_window=4, residual=False))
    x = torch.randn(2, 9, 8)
    mask = torch.arange(9) < torch.tensor([[9], [4]])
    out = adapter(x, mask, mask)
    assert (out[1, 4:] == 0).all()
    assert (out[1, :4] != 0).any()
    assert (adapter(x, mask, torch.ones_like(mask))[1, 4:] != 0).any()


def test_in_the_release_padding_is_seen_by_all_but_the_similarity_graph(shake) -> None:
    adapter = shake(LocalGlobalAdapter(embed_dim=8, num_blocks=1, attention_window=4, residual=False))
    x = torch.randn(1, 8, 8)
    mask = torch.arange(8)[None] < 5
    seen = torch.ones_like(mask)
    with torch.no_grad():
        hidden = adapter.blocks[0](x + adapter.position_embedding[:8], seen)
        adjacency = similarity_adjacency(hidden, mask)
        assert (adjacency[0, 5:] == 0).all()
        assert (adjacency[0, :, 5:] == 0).all()
        similar = adapter.similarity_stream(hidden, adjacency, seen)
        near = adapter.distance_stream(hidden, distance_adjacency(8, device=x.device, dtype=x.dtype), seen)
        expected = adapter.join(torch.cat([similar, near], dim=-1))
        torch.testing.assert_close(adapter(x, mask, seen), expected)


def test_positions_matter(shake) -> None:
    adapter = shake(LocalGlobalAdapter(embed_dim=8, num_blocks=1, attention_window=4, residual=False))
    assert adapter.position_embedding.shape == (256, 8)
    same = torch.ones(1, 4, 8)
    out = adapter(same, all_of(same), all_of(same))
    assert not torch.allclose(out[0, 1], out[0, 2])
