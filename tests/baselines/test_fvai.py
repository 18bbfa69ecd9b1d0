import pytest
import torch

from avadclip.baselines.fvai import Fvai, LowRankBilinear, MutualAttention

from .made_up_bags import AUDIO_DIM, TARGETS, VISUAL_DIM, make_bags, make_batch


@pytest.fixture
def fvai() -> Fvai:
    torch.manual_seed(0)
    return Fvai(visual_dim=VISUAL_DIM, audio_dim=AUDIO_DIM).eval()


def test_mutual_attention_uses_the_queries_of_the_other_modality() -> None:
    torch.manual_seed(1)
    attention = MutualAttention(4)
    visual, audio, mask = torch.randn(1, 3, 4), torch.randn(1, 3, 4), torch.tensor([[True, True, False]])
    new_visual, new_audio = attention(visual, audio, mask)
    for own, other, layer, found in [
        (visual[0, :2], audio[0, :2], attention.over_visual, new_visual),
        (audio[0, :2], visual[0, :2], attention.over_audio, new_audio),
    ]:
        weights = (layer.query(other) @ layer.key(own).T / 4**0.5).softmax(dim=-1)
        torch.testing.assert_close(found[0, :2], own + layer.out(weights @ layer.value(own)))


def test_fusion_is_bilinear_for_small_inputs() -> None:
    """tanh is the identity near 0: each output is v^T (U^T diag(p) V) a."""
    torch.manual_seed(1)
    fusion = LowRankBilinear(3, rank=2)
    torch.nn.init.zeros_(fusion.from_visual.bias)
    torch.nn.init.zeros_(fusion.from_audio.bias)
    visual, audio = 1e-2 * torch.randn(5, 3), 1e-2 * torch.randn(5, 3)
    with torch.no_grad():
        found = fusion(visual, audio) - fusion.out.bias
        for channel in range(3):
            weights = fusion.out.weight[channel]
            form = sum(
                weights[r] * torch.outer(fusion.from_visual.weight[r], fusion.from_audio.weight[r]) for r in range(2)
            )
            expected = torch.einsum("nv,va,na->n", visual, form, audio)
            torch.testing.assert_close(found[:, channel], expected, rtol=1e-3, atol=1e-7)


def test_mil_losses_of_both_networks(fvai: Fvai) -> None:
    """Bags under 16 snippets: k = 1, the cross-entropy of the highest logit."""
    bags = make_bags()
    losses = fvai.losses(make_batch(bags, TARGETS))
    for name, network in [("anomaly", fvai.network), ("visual_anomaly", fvai.visual_network)]:
        highest = network(bags).masked_fill(~bags.mask, -torch.inf).amax(dim=1).sigmoid()
        expected = -(highest[0].log() + (1 - highest[1]).log() + highest[2].log()) / 3
        torch.testing.assert_close(losses[name], expected)


def test_mimicry_losses_are_divergences_from_the_other_network(fvai: Fvai) -> None:
    bags = make_bags()
    losses = fvai.losses(make_batch(bags, TARGETS))
    p, q = (network(bags).sigmoid()[bags.mask] for network in (fvai.network, fvai.visual_network))
    torch.testing.assert_close(losses["mimicry"], (q * (q / p).log() + (1 - q) * ((1 - q) / (1 - p)).log()).mean())
    torch.testing.assert_close(
        losses["visual_mimicry"], (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()
    )


@pytest.mark.parametrize(
    ("name", "trained", "fixed"),
    [("mimicry", "network", "visual_network"), ("visual_mimicry", "visual_network", "network")],
)
def test_mimicry_loss_trains_one_network_only(fvai: Fvai, name: str, trained: str, fixed: str) -> None:
    fvai.losses(make_batch(make_bags(), TARGETS))[name].backward()
    assert any(parameter.grad.abs().sum() > 0 for parameter in getattr(fvai, trained).parameters())
    assert all(parameter.grad is None for parameter in getattr(fvai, fixed).parameters())


def test_audio_changes_the_score_but_not_the_visual_network(fvai: Fvai) -> None:
    bags = make_bags()
    other_audio = bags._replace(audio=bags.audio + 1.0)
    assert not torch.allclose(fvai(*bags).anomaly_logits, fvai(*other_audio).anomaly_logits)
    assert torch.equal(fvai.visual_network(bags), fvai.visual_network(other_audio))
