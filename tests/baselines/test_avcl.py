import pytest
import torch
from torch.nn import functional

from avadclip.baselines.avcl import Avcl, Cases, separation_loss, sort_cases

from .made_up_bags import AUDIO_DIM, TARGETS, VISUAL_DIM, make_bags, make_batch


@pytest.fixture
def avcl() -> Avcl:
    torch.manual_seed(0)
    system = Avcl(visual_dim=VISUAL_DIM, audio_dim=AUDIO_DIM).eval()
    system.begin_epoch(6, 50)
    return system


def indices(mask: torch.Tensor) -> list[list[int]]:
    return [row.nonzero().flatten().tolist() for row in mask]


def test_sort_cases_on_a_worked_example() -> None:
    """Of an anomalous bag the picture is sure of snippets 2 and 4; of 0, 1 and 3 the sound changes most before 3.

    In the normal bag the highest is easy normal, and nothing is hard.
    """
    visual_logits = torch.tensor([[0.0, 0.1, 3.0, 0.2, -3.0, 9.0], [1.0, 2.0, 0.0, -1.0, 9.0, 9.0]])
    sound = torch.tensor([[0.0, 1.0, 7.0, 4.0, 90.0, 0.0], [0.0, 5.0, 1.0, 2.0, 0.0, 0.0]])
    mask = torch.arange(6) < torch.tensor([5, 4])[:, None]
    targets = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    cases = sort_cases(visual_logits, sound[..., None], mask, targets)
    assert indices(cases.easy_anomalous) == [[2], []]
    assert indices(cases.easy_normal) == [[4], [1]]
    assert indices(cases.hard_anomalous) == [[3], []]
    assert indices(cases.hard_normal) == [[0], []]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 15, 16, 33, 100])
def test_no_snippet_is_in_two_cases_and_none_is_padding(length: int) -> None:
    torch.manual_seed(length)
    mask = torch.arange(110)[None] < length
    cases = sort_cases(torch.randn(1, 110), torch.randn(1, 110, 3), mask, torch.tensor([[0.0, 1.0]]))
    counted = torch.stack(cases).sum(dim=0)
    assert counted.max() == 1
    assert not counted[~mask].any()
    k = length // 16 + 1
    assert cases.easy_anomalous.sum() == k
    assert cases.hard_anomalous.any() == (length > 2)


def test_separation_loss_on_a_worked_example() -> None:
    """Anchors (1, 0) and (0, 1): the hard anomalous (3, 4) has cosines .6 and .8, the hard normal (0, 2) 0 and 1."""
    features = torch.tensor([[[2.0, 0.0], [0.0, 1.0], [3.0, 4.0], [0.0, 2.0]]])
    masks = torch.eye(4, dtype=torch.bool)[:, None]
    loss = separation_loss(features, Cases(*masks))
    # logits (.6 - .8) / .1 = -2 for an anomalous one, (0 - 1) / .1 = -10 for a normal one
    torch.testing.assert_close(
        loss, (functional.softplus(torch.tensor(2.0)) + functional.softplus(torch.tensor(-10.0))) / 2
    )


def test_separation_loss_has_gradients_at_hard_cases_only() -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 4, 3, requires_grad=True)
    separation_loss(features, Cases(*torch.eye(4, dtype=torch.bool)[:, None])).backward()
    assert torch.equal(features.grad[0].abs().sum(dim=1) > 0, torch.tensor([False, False, True, True]))


def test_separation_loss_is_zero_without_hard_cases(avcl: Avcl) -> None:
    normal = TARGETS[1:2].expand(3, -1)
    assert avcl.losses(make_batch(make_bags(), normal))["separation"] == 0.0


def test_separation_weight_grows_over_ten_epochs(avcl: Avcl) -> None:
    found = []
    for epoch in (1, 2, 11, 30):
        avcl.begin_epoch(epoch, 50)
        found.append(avcl.losses(make_batch(make_bags(), TARGETS))["separation"].item())
    full = found[2]
    assert full > 0.0
    assert found == pytest.approx([0.0, full / 10, full, full])


def test_mimicry_losses_are_divergences_from_the_other_branch(avcl: Avcl) -> None:
    bags = make_bags()
    losses = avcl.losses(make_batch(bags, TARGETS))
    visual = avcl.visual_branch(avcl.visual_in(bags.visual), bags.mask)[1].sigmoid()[bags.mask]
    joint = avcl(*bags).anomaly_logits.sigmoid()[bags.mask]
    for name, own, other in [("mimicry", joint, visual), ("visual_mimicry", visual, joint)]:
        divergence = other * (other / own).log() + (1 - other) * ((1 - other) / (1 - own)).log()
        torch.testing.assert_close(losses[name], divergence.mean(), rtol=1e-4, atol=1e-7)


def test_each_loss_has_gradients_in_its_own_branch_only(avcl: Avcl) -> None:
    own = {"anomaly": "joint_branch", "mimicry": "joint_branch", "separation": "joint_branch"}
    own |= {"visual_anomaly": "visual_branch", "visual_mimicry": "visual_branch"}
    for name, loss in avcl.losses(make_batch(make_bags(), TARGETS)).items():
        avcl.zero_grad(set_to_none=True)
        loss.backward(retain_graph=True)
        for branch in ("visual_branch", "joint_branch"):
            reached = any(parameter.grad is not None for parameter in getattr(avcl, branch).parameters())
            assert reached == (branch == own[name]), (name, branch)


def test_mil_loss_is_that_of_the_highest_snippet(avcl: Avcl) -> None:
    """Bags under 16 snippets: k = 1."""
    bags = make_bags()
    highest = avcl(*bags).anomaly_logits.masked_fill(~bags.mask, -torch.inf).amax(dim=1).sigmoid()
    expected = -(highest[0].log() + (1 - highest[1]).log() + highest[2].log()) / 3
    torch.testing.assert_close(avcl.losses(make_batch(bags, TARGETS))["anomaly"], expected)
