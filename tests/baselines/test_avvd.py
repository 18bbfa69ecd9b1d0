import pytest
import torch

from avadclip.baselines.avvd import Avvd, anomaly_logits

from .made_up_bags import AUDIO_DIM, TARGETS, VISUAL_DIM, make_bags, make_batch


@pytest.fixture
def avvd() -> Avvd:
    torch.manual_seed(0)
    return Avvd(visual_dim=VISUAL_DIM, audio_dim=AUDIO_DIM, classes=("normal", "fighting", "riot")).eval()


def test_anomaly_score_is_one_minus_normal_probability() -> None:
    """Shares 1 : 2 : 5 leave 7/8."""
    logits = torch.tensor([[1.0, 2.0, 5.0]]).log()
    assert anomaly_logits(logits).sigmoid().item() == pytest.approx(7 / 8)


def test_anomaly_scores_agree_with_class_probabilities(avvd: Avvd) -> None:
    outputs = avvd(*make_bags())
    torch.testing.assert_close(outputs.anomaly_logits.sigmoid(), 1.0 - outputs.class_logits.softmax(dim=-1)[..., 0])


def test_class_loss_is_cross_entropy_of_the_highest_logit_of_each_class(avvd: Avvd) -> None:
    """Bags under 16 snippets: k = 1; the bags are of classes 1, 0 and 2."""
    bags = make_bags()
    highest = avvd(*bags).class_logits.masked_fill(~bags.mask[..., None], -torch.inf).amax(dim=1)
    shares = highest.exp() / highest.exp().sum(dim=1, keepdim=True)
    expected = -(shares[0, 1].log() + shares[1, 0].log() + shares[2, 2].log()) / 3
    torch.testing.assert_close(avvd.losses(make_batch(bags, TARGETS))["classes"], expected)


def test_two_classes_of_a_bag_share_the_target_equally(avvd: Avvd) -> None:
    bags = make_bags().take(torch.tensor([0]))
    both, first, second = (
        avvd.losses(make_batch(bags, torch.tensor([row])))["classes"] for row in ([0.0, 1, 1], [0.0, 1, 0], [0.0, 0, 1])
    )
    torch.testing.assert_close(both, (first + second) / 2)


def test_distillation_trains_the_causal_branch_only(avvd: Avvd) -> None:
    bags = make_bags()
    losses = avvd.losses(make_batch(bags, TARGETS))
    p, q = (rows.sigmoid()[bags.mask] for rows in (avvd(*bags).anomaly_logits, avvd.trunk(bags).online_logits))
    divergence = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()
    torch.testing.assert_close(losses["distillation"], 5.0 * divergence, rtol=1e-4, atol=1e-6)
    losses["distillation"].backward()
    assert avvd.trunk.online.score.weight.grad.abs().sum() > 0
    assert avvd.classify.weight.grad is None


def test_class_loss_does_not_train_the_causal_branch(avvd: Avvd) -> None:
    avvd.losses(make_batch(make_bags(), TARGETS))["classes"].backward()
    assert avvd.classify.weight.grad.abs().sum() > 0
    assert avvd.trunk.online.score.weight.grad is None
