import math

import pytest
import torch

from avadclip.model.fusion import AdaptiveFusion, AdditiveFusion, ConcatFusion, CrossAttentionFusion, NoFusion

DIM = 4


@pytest.fixture
def both() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    visual = torch.randn(2, 5, DIM, generator=generator)
    audio = torch.randn(2, 5, DIM, generator=generator)
    return visual, audio, torch.arange(5) < torch.tensor([[5], [3]])


def test_adaptive_fusion_is_equations_1_to_3_picture_first(shake, both) -> None:
    visual, audio, mask = both
    fusion = shake(AdaptiveFusion(DIM))
    out = fusion(visual, audio, mask)
    for bag in range(2):
        for t in range(5):
            joined = torch.cat([visual[bag, t], audio[bag, t]])
            gate = 1 / (1 + torch.exp(-(fusion.gate.weight @ joined + fusion.gate.bias)))
            hidden = fusion.residual_in.weight @ joined + fusion.residual_in.bias
            hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
            residual = fusion.residual_out.weight @ hidden + fusion.residual_out.bias
            torch.testing.assert_close(out[bag, t], visual[bag, t] + gate * residual)


def test_at_first_the_residual_hears_sound_alone_and_is_of_the_pictures_size() -> None:
    torch.manual_seed(0)
    fusion = AdaptiveFusion(64)
    visual, other, audio = torch.randn(3, 2, 50, 64)
    mask = torch.ones(2, 50, dtype=torch.bool)
    by_default = (fusion(visual, audio, mask) - visual).std()
    fusion.start_from_sound()
    residual = fusion(visual, audio, mask) - visual
    torch.testing.assert_close(fusion(other, audio, mask) - other, residual)
    assert 0.2 < residual.std() < 1.0  # the picture's deviation is 1
    assert by_default < 0.15  # what it is by PyTorch's own initial weights


def test_a_closed_gate_leaves_the_picture_alone(both) -> None:
    fusion = AdaptiveFusion(DIM)
    with torch.no_grad():
        fusion.gate.weight.zero_()
        fusion.gate.bias.fill_(-1e4)
    visual, audio, mask = both
    assert torch.equal(fusion(visual, audio, mask), visual)


def test_concat_fusion_is_one_linear_layer_picture_first(shake, both) -> None:
    visual, audio, mask = both
    fusion = shake(ConcatFusion(DIM))
    weight, bias = fusion.project.weight, fusion.project.bias
    expected = visual @ weight[:, :DIM].T + audio @ weight[:, DIM:].T + bias
    torch.testing.assert_close(fusion(visual, audio, mask), expected)


def test_addition_and_no_fusion(both) -> None:
    visual, audio, mask = both
    assert torch.equal(AdditiveFusion(DIM)(visual, audio, mask), visual + audio)
    assert torch.equal(NoFusion(DIM)(visual, audio, mask), visual)


def test_cross_attention_asks_the_valid_sound_of_the_whole_window(shake, both) -> None:
    visual, audio, mask = both
    fusion = shake(CrossAttentionFusion(DIM))
    out = fusion(visual, audio, mask)
    query, key, value = fusion.attention.in_proj_weight.chunk(3)
    query_bias, key_bias, value_bias = fusion.attention.in_proj_bias.chunk(3)
    for bag, length in enumerate((5, 3)):
        keys = audio[bag, :length] @ key.T + key_bias
        values = audio[bag, :length] @ value.T + value_bias
        for t in range(length):
            logits = keys @ (query @ visual[bag, t] + query_bias) / math.sqrt(DIM)
            mixed = logits.softmax(dim=0) @ values
            expected = fusion.attention.out_proj.weight @ mixed + fusion.attention.out_proj.bias
            torch.testing.assert_close(out[bag, t], expected, rtol=1e-5, atol=1e-5)
