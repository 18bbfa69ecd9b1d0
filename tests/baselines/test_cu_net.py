import pytest
import torch
from torch.nn import functional

from avadclip.baselines.cu_net import (
    BALANCE_WEIGHT,
    DIVERSITY_WEIGHT,
    NUM_PASSES,
    CuNet,
    head_imbalance,
    head_similarity,
    pseudo_labels,
    round_of,
)

from .made_up_bags import AUDIO_DIM, TARGETS, VISUAL_DIM, make_bags, make_batch

ALL = torch.ones(1, 4, dtype=torch.bool)


@pytest.fixture
def cu_net() -> CuNet:
    torch.manual_seed(0)
    return CuNet(visual_dim=VISUAL_DIM, audio_dim=AUDIO_DIM).eval()


@pytest.mark.parametrize(
    ("num_epochs", "rounds"),
    [(1, [0]), (2, [0, 1]), (3, [0, 0, 1]), (6, [0, 0, 0, 1, 2, 3]), (10, [0, 0, 0, 0, 0, 1, 1, 2, 2, 3])],
)
def test_round_of_epoch(num_epochs: int, rounds: list[int]) -> None:
    assert [round_of(epoch, num_epochs) for epoch in range(1, num_epochs + 1)] == rounds


def test_head_similarity_on_a_worked_example() -> None:
    """Over the two real snippets the heads score (1, 0), (0, 1) and (1, 1): cosines 0, .71 and .71."""
    heads = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.5, 0.5, 0.5]])
    mask = torch.tensor([[True, True, False]])
    assert head_similarity(heads[None], mask).item() == pytest.approx(2 * 0.5**0.5 / 3)


def test_head_imbalance_on_a_worked_example() -> None:
    """Mean scores .5, .1 and .6, whose mean is .4: distances .1, .3 and .2."""
    heads = torch.tensor([[0.8, 0.2, 0.6], [0.2, 0.0, 0.6], [1.0, 1.0, 1.0]])
    mask = torch.tensor([[True, True, False]])
    assert head_imbalance(heads[None], mask).item() == pytest.approx(0.2)


def test_pseudo_labels_on_a_worked_example() -> None:
    """Means .2 .45 .6 .3 become 0 .625 1 .25; of the upper two 1 varies less over the passes, of the lower two 3."""
    means, spreads = torch.tensor([0.2, 0.45, 0.6, 0.3]), torch.tensor([0.02, 0.1, 0.2, 0.01])
    passes = torch.stack([means - spreads, means + spreads])[:, None]
    labels, reliable = pseudo_labels(passes, ALL, torch.tensor([True]))
    torch.testing.assert_close(labels[0], torch.tensor([0.0, 0.625, 1.0, 0.25]))
    assert reliable.tolist() == [[False, True, False, True]]


def test_pseudo_labels_of_a_normal_bag_are_zero_and_reliable() -> None:
    labels, reliable = pseudo_labels(torch.rand(5, 1, 4), ALL, torch.tensor([False]))
    assert not labels.any()
    assert reliable.all()


def test_pseudo_labels_of_equal_scores_are_anomalous() -> None:
    labels, reliable = pseudo_labels(
        torch.full((3, 1, 1), 0.2), torch.ones(1, 1, dtype=torch.bool), torch.tensor([True])
    )
    assert labels.item() == 1.0
    assert reliable.item()


def test_pseudo_labels_ignore_padding() -> None:
    passes = torch.rand(5, 1, 3)
    padded = torch.cat([passes, torch.full((5, 1, 2), 7.0)], dim=2)
    mask = torch.tensor([[True, True, True, False, False]])
    for anomalous in (torch.tensor([True]), torch.tensor([False])):
        labels, reliable = pseudo_labels(passes, mask[:, :3], anomalous)
        padded_labels, padded_reliable = pseudo_labels(padded, mask, anomalous)
        torch.testing.assert_close(padded_labels[:, :3], labels)
        assert padded_reliable.tolist() == [[*reliable[0].tolist(), False, False]]


def test_first_stage_losses(cu_net: CuNet) -> None:
    """Bags under 16 snippets: k = 1, every head's highest logit; the rest over the anomalous bags 0 and 2."""
    bags = make_bags()
    losses = cu_net.losses(make_batch(bags, TARGETS))
    logits = cu_net.many(bags)
    highest = logits.masked_fill(~bags.mask[..., None], -torch.inf).amax(dim=1)  # [B, H]
    anomalous = torch.tensor([[1.0], [0.0], [1.0]]).expand_as(highest)
    torch.testing.assert_close(losses["anomaly"], functional.binary_cross_entropy_with_logits(highest, anomalous))
    scores, mask = logits.sigmoid()[[0, 2]], bags.mask[[0, 2]]
    torch.testing.assert_close(losses["diversity"], DIVERSITY_WEIGHT * head_similarity(scores, mask))
    torch.testing.assert_close(losses["balance"], BALANCE_WEIGHT * head_imbalance(scores, mask))
    assert losses["self_training"] == 0.0


def test_normal_bags_have_no_diversity_or_balance_loss(cu_net: CuNet) -> None:
    losses = cu_net.losses(make_batch(make_bags(), TARGETS[1:2].expand(3, -1)))
    assert losses["diversity"] == losses["balance"] == 0.0


def test_second_stage_loss_is_cross_entropy_with_pseudo_labels(cu_net: CuNet) -> None:
    cu_net.begin_epoch(6, 10)
    bags = make_bags()
    torch.manual_seed(5)  # of the dropout
    losses = cu_net.losses(make_batch(bags, TARGETS))
    torch.manual_seed(5)
    labels, reliable = pseudo_labels(cu_net.many.passes(bags), bags.mask, torch.tensor([True, False, True]))
    scores = cu_net(*bags).anomaly_logits.sigmoid()
    terms = -(labels * scores.log() + (1 - labels) * (1 - scores).log())
    torch.testing.assert_close(losses["self_training"], terms[reliable].mean())
    assert losses["anomaly"] == losses["diversity"] == losses["balance"] == 0.0


@pytest.mark.parametrize(("epoch", "learning"), [(1, "many"), (6, "single"), (8, "single")])
def test_only_the_classifier_of_the_stage_has_gradients(cu_net: CuNet, epoch: int, learning: str) -> None:
    for earlier in range(1, epoch + 1):
        cu_net.begin_epoch(earlier, 10)
    sum(cu_net.losses(make_batch(make_bags(), TARGETS)).values()).backward()
    for name in ("many", "single", "labeller"):
        reached = any(parameter.grad is not None for parameter in getattr(cu_net, name).parameters())
        assert reached == (name == learning)


def test_labeller_is_the_classifier_at_the_start_of_the_round(cu_net: CuNet) -> None:
    cu_net.begin_epoch(6, 10)
    with torch.no_grad():
        cu_net.single.heads[0].out.bias.fill_(1.0)
    cu_net.begin_epoch(8, 10)  # round 2
    with torch.no_grad():
        cu_net.single.heads[0].out.bias.fill_(2.0)
    cu_net.begin_epoch(9, 10)  # still round 2
    assert cu_net.labeller.heads[0].out.bias.item() == 1.0


def test_resumed_run_keeps_its_stage_and_labeller(cu_net: CuNet) -> None:
    for epoch in range(1, 9):
        cu_net.begin_epoch(epoch, 10)
    resumed = CuNet(visual_dim=VISUAL_DIM, audio_dim=AUDIO_DIM).eval()
    resumed.load_state_dict(cu_net.state_dict())
    resumed.begin_epoch(9, 10)
    bags = make_bags()
    assert torch.equal(resumed(*bags).anomaly_logits, cu_net(*bags).anomaly_logits)
    losses = []
    for system in (cu_net, resumed):
        torch.manual_seed(5)  # of the dropout
        losses.append(system.losses(make_batch(bags, TARGETS))["self_training"])
    assert losses[0] == losses[1] > 0.0


def test_dropout_pass_lacks_the_same_channels_for_all_snippets(cu_net: CuNet, monkeypatch: pytest.MonkeyPatch) -> None:
    bags = make_bags()
    head = cu_net.single.heads[0]
    drawn: list[torch.Tensor] = []
    draw = torch.bernoulli
    monkeypatch.setattr(torch, "bernoulli", lambda shares: drawn.append(draw(shares)) or drawn[-1])
    passes = cu_net.single.passes(bags)
    kept = drawn[0]
    assert passes.shape == (NUM_PASSES, 3, 7)
    assert 0.3 < kept.mean() < 0.5
    hidden = functional.relu(cu_net.single.visual_in(bags.visual) + cu_net.single.audio_in(bags.audio))
    for number in (0, NUM_PASSES - 1):
        thinned = functional.relu(head.narrow(hidden)) * kept[number] / 0.4
        torch.testing.assert_close(passes[number], head.out(thinned).squeeze(-1).sigmoid())
