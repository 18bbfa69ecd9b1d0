import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from avadclip.model.attention import (
    AttentionBlock,
    CrossAttentionLayer,
    FeedForward,
    LocalAttentionBlock,
    MultiHeadAttention,
    QuickGelu,
)


def dense_block(block: LocalAttentionBlock, x: torch.Tensor, length: int) -> torch.Tensor:
    """The block on one unpadded bag [T, D], its attention a dense matrix with a block-diagonal mask."""
    x = x[:length]
    normed = functional.layer_norm(x, x.shape[-1:], block.norm_attention.weight, block.norm_attention.bias)
    query, key, value = (normed @ block.query_key_value.weight.T + block.query_key_value.bias).chunk(3, dim=-1)
    logits = query @ key.T / math.sqrt(x.shape[-1])
    for i in range(length):
        for j in range(length):
            if i // block.attention_window != j // block.attention_window:
                logits[i, j] = -math.inf
    x = x + logits.softmax(dim=-1) @ value @ block.attention_out.weight.T + block.attention_out.bias
    normed = functional.layer_norm(x, x.shape[-1:], block.norm_feed_forward.weight, block.norm_feed_forward.bias)
    hidden = normed @ block.feed_forward.expand.weight.T + block.feed_forward.expand.bias
    hidden = hidden * (1 / (1 + torch.exp(-1.702 * hidden)))
    return x + hidden @ block.feed_forward.contract.weight.T + block.feed_forward.contract.bias


@settings(max_examples=40, deadline=None)
@given(
    window=st.integers(1, 9),
    lengths=st.lists(st.integers(1, 21), min_size=1, max_size=3),
    extra=st.integers(0, 6),
)
def test_folded_attention_is_dense_attention_under_a_block_diagonal_mask(
    shake_once, window: int, lengths: list[int], extra: int
) -> None:
    block = shake_once(window)
    longest = max(lengths) + extra
    x = torch.randn(len(lengths), longest, 8, generator=torch.Generator().manual_seed(window))
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    with torch.no_grad():
        mixed = block(x, mask)
        assert mixed.shape == x.shape
        for bag, length in enumerate(lengths):
            torch.testing.assert_close(mixed[bag, :length], dense_block(block, x[bag], length), rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def shake_once():
    def build(window: int) -> LocalAttentionBlock:
        block = LocalAttentionBlock(embed_dim=8, attention_window=window)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in block.parameters():
                parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
        return block.eval()

    return build


def test_a_snippet_hears_nothing_from_other_stretches(shake) -> None:
    block = shake(LocalAttentionBlock(embed_dim=8, attention_window=4))
    x = torch.randn(1, 10, 8, requires_grad=True)
    block(x, torch.ones(1, 10, dtype=torch.bool))[0, 5].sum().backward()
    touched = x.grad[0].abs().sum(dim=-1) > 0
    assert touched.tolist() == [4 <= i < 8 for i in range(10)]


def test_stretches_of_padding_alone_give_finite_numbers_and_gradients(shake) -> None:
    block = shake(LocalAttentionBlock(embed_dim=8, attention_window=4))
    x = torch.randn(2, 12, 8, requires_grad=True)
    out = block(x, torch.arange(12) < torch.tensor([[1], [12]]))
    assert out.isfinite().all()
    out.sum().backward()
    assert x.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in block.parameters())


def test_feed_forward_is_four_times_wider_inside(shake) -> None:
    layer = FeedForward(6)
    assert layer.expand.weight.shape == (24, 6)
    assert layer.contract.weight.shape == (6, 24)


def test_quick_gelu_by_hand() -> None:
    x = torch.tensor([-1.0, 0.0, 2.0])
    expected = [-1.0 / (1 + math.exp(1.702)), 0.0, 2.0 / (1 + math.exp(-3.404))]
    torch.testing.assert_close(QuickGelu()(x), torch.tensor(expected))


def test_several_heads_attend_each_on_its_own_channels(shake) -> None:
    attention = shake(MultiHeadAttention(6, num_heads=2, dropout=0.5))
    asking, asked = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(1)).unbind()
    mask = torch.tensor([[True, True, True, False]])
    query, key, value = attention.query(asking), attention.key(asked[:3]), attention.value(asked[:3])
    parts = []
    for head in (slice(0, 3), slice(3, 6)):
        weights = (query[:, head] @ key[:, head].T / math.sqrt(3)).softmax(dim=-1)
        parts.append(weights @ value[:, head])
    expected = attention.out(torch.cat(parts, dim=-1))
    torch.testing.assert_close(attention(asking[None], asked[None], mask)[0], expected, rtol=1e-5, atol=1e-5)


def test_a_cross_attention_layer_normalises_the_asking_side_only(shake) -> None:
    layer = shake(CrossAttentionLayer(4, num_heads=1, hidden_dim=3, dropout=0.5))
    asking, asked = torch.randn(2, 1, 5, 4, generator=torch.Generator().manual_seed(2)).unbind()
    mask = torch.ones(1, 5, dtype=torch.bool)
    x = asking + layer.attention(layer.norm_attention(asking), asked, mask)
    expected = x + layer.contract(layer.expand(layer.norm_feed_forward(x)).clamp(min=0))
    torch.testing.assert_close(layer(asking, asked, mask), expected)


def test_an_attention_block_with_one_head_is_a_local_one_whose_window_holds_everything(shake) -> None:
    local = shake(LocalAttentionBlock(embed_dim=4, attention_window=9))
    block = AttentionBlock(4, num_heads=1)
    block.norm_attention, block.norm_feed_forward = local.norm_attention, local.norm_feed_forward
    block.feed_forward, block.attention.out = local.feed_forward, local.attention_out
    weights, biases = local.query_key_value.weight.chunk(3), local.query_key_value.bias.chunk(3)
    parts = (block.attention.query, block.attention.key, block.attention.value)
    for layer, weight, bias in zip(parts, weights, biases, strict=True):
        layer.load_state_dict({"weight": weight, "bias": bias})
    x = torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(3))
    mask = torch.arange(9) < torch.tensor([[9], [4]])
    torch.testing.assert_close(block(x, mask), local(x, mask), rtol=1e-5, atol=1e-5)
