import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avadclip.model.heads import UncertaintyHead
from avadclip.model.losses import (
    alignment_mil_loss,
    anomaly_mil_loss,
    certainty_weights,
    focal_loss,
    largest_mask,
    log_mean,
    mean_logit_mil_loss,
    mean_score_loss,
    mimicry_loss,
    picked_mean,
    plain_distillation_loss,
    released_distillation_loss,
    smoothness_loss,
    text_separation_loss,
    topk_mask,
    topk_mean,
    uncertainty_distillation_loss,
)

torch.set_num_threads(1)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def mask_of(lengths: list[int], longest: int) -> torch.Tensor:
    return torch.arange(longest) < torch.tensor(lengths)[:, None]


def test_topk_mean_never_picks_padding() -> None:
    logits = torch.tensor([[[3.0], [1.0], [9.0]]])
    mask = torch.tensor([[True, True, False]])
    assert topk_mean(logits, mask).item() == 3.0  # k = 2 // 16 + 1 = 1, and the 9 is padding


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=4),
    extra=st.integers(0, 9),
    num_classes=st.integers(1, 3),
    snippets_per_pick=st.sampled_from([16, 5, 2]),
)
def test_topk_mean_equals_a_loop_over_bags_and_classes(
    lengths: list[int], extra: int, num_classes: int, snippets_per_pick: int
) -> None:
    longest = max(lengths) + extra + 1
    logits = random(len(lengths), longest, num_classes)
    pooled = topk_mean(logits, mask_of(lengths, longest), snippets_per_pick)
    for bag, length in enumerate(lengths):
        k = length // snippets_per_pick + 1
        for c in range(num_classes):
            picked = sorted(logits[bag, :length, c].tolist(), reverse=True)[:k]
            # One snippet per pick asks for one more than there are; the divisor is still k.
            assert pooled[bag, c].item() == pytest.approx(sum(picked) / k, abs=1e-5)


@pytest.mark.parametrize(("length", "k"), [(1, 1), (15, 1), (16, 2), (31, 2), (32, 3), (255, 16), (256, 17)])
def test_topk_mean_picks_one_in_sixteen_and_one_more(length: int, k: int) -> None:
    logits = torch.arange(length, dtype=torch.float32)[None, :, None]
    expected = sum(range(length - k, length)) / k
    assert topk_mean(logits, torch.ones(1, length, dtype=torch.bool)).item() == pytest.approx(expected)


def test_topk_mean_gives_gradient_to_what_it_picked_only() -> None:
    logits = random(1, 20, 1).requires_grad_()
    topk_mean(logits, mask_of([17], 20)).sum().backward()
    best = logits[0, :17, 0].topk(2).indices.tolist()
    assert {t: g for t, g in enumerate(logits.grad[0, :, 0].tolist()) if g} == dict.fromkeys(best, 0.5)


def test_anomaly_loss_by_hand() -> None:
    logits = torch.tensor([[0.0, 2.0, 50.0], [-1.0, -3.0, 1.0]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    targets = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    first = -math.log(1 / (1 + math.exp(-2)))
    second = -math.log(1 - 1 / (1 + math.exp(-1)))
    assert anomaly_mil_loss(logits, mask, targets).item() == pytest.approx((first + second) / 2)


def test_the_mean_is_taken_of_scores_not_of_logits() -> None:
    logits = torch.full((1, 16), -20.0)
    logits[0, 0], logits[0, 1] = 4.0, -8.0  # k = 2: the scores' mean is .49, the score of the logits' mean .12
    score = (torch.sigmoid(torch.tensor(4.0)) + torch.sigmoid(torch.tensor(-8.0))).item() / 2
    loss = anomaly_mil_loss(logits, torch.ones(1, 16, dtype=torch.bool), torch.tensor([[0.0, 1.0]]))
    assert loss.item() == pytest.approx(-math.log(score), rel=1e-5)


@pytest.mark.parametrize("logit", [-200.0, 200.0])
@pytest.mark.parametrize("anomalous", [0.0, 1.0])
def test_anomaly_loss_of_the_surest_scores_is_finite(logit: float, anomalous: float) -> None:
    logits = torch.full((1, 3), logit, requires_grad=True)
    loss = anomaly_mil_loss(logits, torch.ones(1, 3, dtype=torch.bool), torch.tensor([[1 - anomalous, anomalous]]))
    loss.backward()
    # One snippet is picked (k = 1): ln(1 + exp(-x)) of a wrong sure score is x itself, and its slope 1.
    wrong = (logit > 0) != (anomalous == 1)
    assert loss.item() == pytest.approx(200.0 if wrong else 0.0)
    assert logits.grad.abs().sum().item() == pytest.approx(1.0 if wrong else 0.0)


def test_anomaly_loss_near_one_equals_that_in_float64() -> None:
    """Of scores .99999 and up a mean in float32 keeps no digit of what is missing to 1."""
    logits = torch.linspace(12.0, 30.0, 64)[None].requires_grad_()
    loss = anomaly_mil_loss(logits, torch.ones(1, 64, dtype=torch.bool), torch.tensor([[1.0, 0.0]]))
    (gradient,) = torch.autograd.grad(loss, logits)
    exact = logits.detach().double().requires_grad_()
    largest = exact[0, -5:]  # k = 64 // 16 + 1
    expected = -(-largest).sigmoid().mean().log()
    (expected_gradient,) = torch.autograd.grad(expected, exact)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    torch.testing.assert_close(gradient.double(), expected_gradient, rtol=1e-4, atol=1e-7)


def test_alignment_loss_by_hand_with_two_classes_in_one_bag() -> None:
    logits = torch.tensor([[[1.0, 0.0, -1.0]], [[0.5, 2.0, 2.5]]])
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])  # the second bag is "shooting and explosion"
    nce, focal = [], []
    for bag in range(2):
        exponentials = [math.exp(value) for value in logits[bag, 0].tolist()]
        probabilities = [value / sum(exponentials) for value in exponentials]
        shares = [value / sum(targets[bag].tolist()) for value in targets[bag].tolist()]
        entropy = -sum(share * math.log(p) for share, p in zip(shares, probabilities, strict=True))
        true_probability = sum(share * p for share, p in zip(shares, probabilities, strict=True))
        nce.append(entropy)
        focal.append(0.25 * (1 - true_probability) ** 2 * entropy)
    mask = torch.ones(2, 1, dtype=torch.bool)
    alpha = torch.full((3,), 0.25)
    both = alignment_mil_loss(logits, mask, targets, alpha=alpha).item()
    assert both == pytest.approx((sum(nce) / 2 + sum(focal) / 2) / 2)
    # Focal off: not halved.
    assert alignment_mil_loss(logits, mask, targets, alpha=None).item() == pytest.approx(sum(nce) / 2)


def test_focal_weights_are_those_of_the_bags_own_classes() -> None:
    log_probabilities = torch.tensor([[0.5, 0.25, 0.25]]).log()
    shares = torch.tensor([[0.0, 0.5, 0.5]])
    alpha = torch.tensor([9.0, 0.1, 0.3], requires_grad=True)
    loss = focal_loss(log_probabilities, shares, alpha)
    assert loss.item() == pytest.approx(0.2 * 0.75**2 * -math.log(0.25))
    loss.backward()
    assert alpha.grad[0] == 0
    assert alpha.grad[1] == alpha.grad[2] > 0


def test_alignment_pools_each_class_on_its_own_over_valid_snippets() -> None:
    logits = random(1, 40, 3, seed=1)
    mask = mask_of([33], 40)
    targets = torch.tensor([[0.0, 1.0, 0.0]])
    pooled = torch.stack([logits[0, :33, c].topk(3).values.mean() for c in range(3)])
    expected = -(pooled - pooled.logsumexp(dim=0))[1]
    torch.testing.assert_close(alignment_mil_loss(logits, mask, targets, alpha=None), expected)


def test_losses_do_not_depend_on_padding() -> None:
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    logits, scores = random(2, 30, 2), random(2, 30)
    for extra in (0, 1, 50):
        wide = torch.nn.functional.pad(logits, (0, 0, 0, extra), value=30.0)
        wide_scores = torch.nn.functional.pad(scores, (0, extra), value=30.0)
        mask = mask_of([30, 12], 30 + extra)
        losses = alignment_mil_loss(wide, mask, targets, alpha=torch.full((2,), 0.25))
        anomaly = anomaly_mil_loss(wide_scores, mask, targets)
        if extra == 0:
            first, first_anomaly = losses, anomaly
        torch.testing.assert_close(losses, first)
        torch.testing.assert_close(anomaly, first_anomaly)


def test_text_separation_is_the_mean_absolute_cosine_to_normal() -> None:
    features = torch.tensor([[1.0, 0.0], [-3.0, 4.0], [0.0, 5.0], [2.0, 0.0]])
    assert text_separation_loss(features).item() == pytest.approx((0.6 + 0.0 + 1.0) / 3)


def test_uncertainty_distillation_by_hand() -> None:
    teacher = torch.tensor([[[1.0, 5.0], [0.0, 2.0]]])
    student = torch.tensor([[[3.0, 5.0], [0.0, 1.0]]])  # d^2: 4 and 0; 0 and 1
    theta = torch.tensor([[[math.log(2.0), math.log(8.0)], [0.0, 0.0]]])  # geometric means of sigma^2: 4 and 1
    weights = (0.4, 1.6)  # of 1/4 and 1, whose mean is 5/8
    learned = [4 / 2 + math.log(2), 0.13 / 8 + math.log(8), 0.02, 1.0]  # 0.01 of mean squares 13 and 2 at the least
    paper = uncertainty_distillation_loss(teacher, student, theta, torch.tensor([[True, True]]))
    assert paper.item() == pytest.approx((4 * weights[0] + 1 * weights[1] + sum(learned)) / 4, rel=1e-5)
    alone = uncertainty_distillation_loss(teacher, student, theta, torch.tensor([[True, False]]))
    assert alone.item() == pytest.approx((4 + sum(learned[:2])) / 2, rel=1e-5)
    released = released_distillation_loss(teacher[:, :1], student[:, :1], theta[:, :1])
    assert released.item() == pytest.approx((4 / (1e-6 + 4) + math.log(2) + 0 + math.log(8)) / 2, rel=1e-5)


def test_theta_is_best_at_the_squared_distance_and_at_half_of_it_in_the_release() -> None:
    teacher, student = torch.zeros(1, 1, 1), torch.full((1, 1, 1), 3.0)
    mask = torch.ones(1, 1, dtype=torch.bool)
    for loss, best in (
        (lambda theta: uncertainty_distillation_loss(teacher, student, theta, mask), math.log(9.0)),
        (lambda theta: released_distillation_loss(teacher, student, theta), math.log(4.5)),
    ):
        theta = torch.full((1, 1, 1), best, requires_grad=True)
        loss(theta).backward()
        assert theta.grad.item() == pytest.approx(0.0, abs=1e-5)


def test_theta_has_a_best_value_even_where_the_student_is_at_its_teacher() -> None:
    teacher, mask = torch.tensor([[[2.0]], [[0.0]]]), torch.ones(2, 1, dtype=torch.bool)
    theta = torch.log(torch.tensor([[[0.04 + 1e-6]], [[1e-6]]])).requires_grad_()
    uncertainty_distillation_loss(teacher, teacher.clone(), theta, mask).backward()
    torch.testing.assert_close(theta.grad, torch.zeros(2, 1, 1), rtol=0, atol=1e-5)


def test_certainty_weighs_snippets_but_neither_bags_nor_channels() -> None:
    theta, mask = random(3, 6, 4), mask_of([6, 2, 0], 6)
    weights = certainty_weights(theta, mask)
    torch.testing.assert_close(weights.sum(dim=1), torch.tensor([6.0, 2.0, 0.0]))
    assert (weights[~mask] == 0).all()
    torch.testing.assert_close(weights, certainty_weights(theta + random(3, 1, 4, seed=1), mask))
    surer = theta.clone()
    surer[0, 2] -= 1.0
    assert certainty_weights(surer, mask)[0, 2] > weights[0, 2]


def test_padding_is_left_out_of_distillation_but_not_in_the_release() -> None:
    teacher, student, theta = (random(2, 6, 3, seed=seed).requires_grad_() for seed in range(3))
    mask = mask_of([6, 2], 6)
    loss = uncertainty_distillation_loss(teacher, student, theta, mask)
    each = [
        uncertainty_distillation_loss(teacher[i, None, :t], student[i, None, :t], theta[i, None, :t], mask[i, None, :t])
        for i, t in enumerate((6, 2))
    ]
    torch.testing.assert_close(loss, (6 * each[0] + 2 * each[1]) / 8)
    (loss + plain_distillation_loss(teacher, student, mask)).backward()
    assert all((part.grad[1, 2:] == 0).all() for part in (student, theta))
    rows = teacher[mask], student[mask]
    torch.testing.assert_close(plain_distillation_loss(teacher, student, mask), ((rows[0] - rows[1]) ** 2).mean())
    everywhere = ((teacher - student) ** 2 / (1e-6 + 2 * theta.exp()) + theta).mean()
    torch.testing.assert_close(released_distillation_loss(teacher, student, theta), everywhere)


@pytest.mark.parametrize("released", [True, False])
def test_no_gradient_of_distillation_reaches_the_teacher(released: bool) -> None:
    teacher, student, theta = (random(1, 4, 3, seed=seed).requires_grad_() for seed in range(3))
    mask = torch.ones(1, 4, dtype=torch.bool)
    if released:
        loss = released_distillation_loss(teacher, student, theta)
    else:
        loss = uncertainty_distillation_loss(teacher, student, theta, mask)
    (loss + plain_distillation_loss(teacher, student, mask)).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0
    assert theta.grad.abs().sum() > 0


def test_features_learn_by_weighted_distances_alone_and_theta_by_its_likelihood_alone() -> None:
    teacher, student, theta = (random(2, 4, 3, seed=seed).requires_grad_() for seed in range(3))
    mask = torch.ones(2, 4, dtype=torch.bool)
    uncertainty_distillation_loss(teacher, student, theta, mask).backward()
    gap = (student - teacher).detach()
    expected = 2 * certainty_weights(theta, mask)[..., None] * gap / gap.numel()
    torch.testing.assert_close(student.grad, expected)
    floor = 0.01 * teacher.detach().square().mean(dim=-1, keepdim=True) + 1e-6
    torch.testing.assert_close(theta.grad, (1 - gap.square().maximum(floor) * (-theta.detach()).exp()) / gap.numel())


def test_where_the_picture_is_damaged_theta_learns_and_features_do_not() -> None:
    teacher, student, theta = (random(2, 4, 3, seed=seed).requires_grad_() for seed in range(3))
    mask = mask_of([4, 3], 4)
    damaged = torch.tensor([[False, True, True, False], [True, True, True, False]])
    uncertainty_distillation_loss(teacher, student, theta, mask, damaged).backward()
    assert (student.grad[damaged] == 0).all()
    assert (student.grad[0, ~damaged[0]] != 0).all()
    assert (theta.grad[mask] != 0).all()


@pytest.mark.parametrize("deviation", [0.45, 1.0, 3.0])
def test_free_features_reach_those_of_a_teacher_without_noise(deviation: float) -> None:
    """As under the plain squared distance, whatever their scale: R^2 of .99 or more."""
    teacher, mask = deviation * random(2, 16, 16), mask_of([16, 16], 16)
    torch.manual_seed(0)
    student, head = torch.zeros_like(teacher).requires_grad_(), UncertaintyHead(16)
    optimizer = torch.optim.Adam([student, *head.parameters()], lr=0.05)
    for _ in range(600):
        optimizer.zero_grad()
        uncertainty_distillation_loss(teacher, student, head(student, student, mask), mask).backward()
        optimizer.step()
    assert 1 - ((teacher - student) ** 2).mean() / teacher.var() > 0.99


def test_topk_mask_marks_what_topk_mean_averages() -> None:
    logits, mask = random(4, 40), mask_of([40, 33, 15, 1], 40)
    picked = topk_mask(logits, mask)
    assert picked.sum(dim=1).tolist() == [3, 3, 1, 1]
    assert not (picked & ~mask).any()
    for bag in range(4):
        averaged = topk_mean(logits[bag : bag + 1, :, None], mask[bag : bag + 1]).item()
        assert logits[bag, picked[bag]].mean().item() == pytest.approx(averaged, abs=1e-6)


def test_topk_mask_of_negative_logits_marks_the_lowest_and_of_equal_ones_the_first() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0, -9.0], [5.0, 5.0, 5.0, 5.0]])
    mask = mask_of([3, 4], 4)
    assert topk_mask(-logits, mask, snippets_per_pick=3).tolist() == [
        [False, True, True, False],
        [True, True, False, False],
    ]


def test_mean_logit_mil_loss_by_hand() -> None:
    logits = torch.tensor([[2.0, -1.0, 7.0], [0.5, 1.5, 0.0]])  # top 1 of 2: 2.0; top 1 of 3: 1.5
    targets = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    expected = (math.log(1 + math.exp(-2.0)) + math.log(1 + math.exp(1.5))) / 2
    assert mean_logit_mil_loss(logits, mask_of([2, 3], 3), targets).item() == pytest.approx(expected, abs=1e-6)


def test_mean_logit_mil_loss_averages_logits_before_the_sigmoid() -> None:
    logits = torch.full((1, 16), -8.0)
    logits[0, 5] = 4.0  # k = 2: the mean of 4 and -8 is -2; the mean of their scores is near .5
    loss = mean_logit_mil_loss(logits, torch.ones(1, 16, dtype=torch.bool), torch.tensor([[0.0, 1.0]]))
    assert loss.item() == pytest.approx(math.log(1 + math.exp(2.0)), abs=1e-6)


def test_mimicry_loss_is_the_divergence_from_the_other_score() -> None:
    own, others = (
        torch.tensor([[0.0, 3.0]], requires_grad=True),
        torch.tensor([[math.log(3.0), 9.0]], requires_grad=True),
    )
    loss = mimicry_loss(own, others, mask_of([1], 2))
    # KL(.75 || .5) = .75 ln 1.5 + .25 ln .5; the second snippet is padding.
    assert loss.item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), abs=1e-6)
    loss.backward()
    assert others.grad is None
    torch.testing.assert_close(own.grad, torch.tensor([[0.5 - 0.75, 0.0]]))


def test_mimicry_loss_of_equal_scores_is_zero_and_teaches_nothing() -> None:
    own = random(2, 5).requires_grad_()
    loss = mimicry_loss(own, own.detach(), mask_of([5, 2], 5))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert own.grad.abs().max() < 1e-6


def test_largest_mask_takes_all_where_there_are_fewer_and_the_first_of_equals() -> None:
    values = torch.tensor([[2.0, 5.0, 5.0, 9.0], [1.0, 9.0, 9.0, 9.0]])
    picked = largest_mask(values, mask_of([3, 1], 4), 2)
    assert picked.tolist() == [[False, True, True, False], [True, False, False, False]]
    assert largest_mask(values, mask_of([4, 4], 4), torch.tensor([[2], [1]])).tolist() == [
        [False, True, False, True],
        [False, True, False, False],
    ]


def test_picked_mean_by_hand() -> None:
    features = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [50.0, 50.0]]])
    assert picked_mean(features, torch.tensor([[True, True, False]])).tolist() == [[2.0, 4.0]]


def test_mean_score_loss_is_the_cross_entropy_of_the_mean_of_what_was_picked() -> None:
    logits = torch.tensor([[0.2, 0.4, 0.9], [0.8, 0.4, 0.1]]).logit()
    picked = torch.tensor([[True, True, False], [True, True, False]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    expected = -(math.log(1 - 0.3) + math.log(0.6)) / 2
    assert mean_score_loss(logits, picked, targets).item() == pytest.approx(expected, rel=1e-5)


def test_log_mean_survives_scores_that_float32_cannot_hold() -> None:
    log_scores = torch.tensor([-200.0, -200.0, 0.0])
    assert log_mean(log_scores, torch.tensor([True, True, False])).item() == pytest.approx(-200.0)
    assert log_mean(log_scores, torch.tensor([True, True, True])).item() == pytest.approx(-math.log(3))


def test_smoothness_counts_steps_within_bags_only() -> None:
    scores = torch.tensor([[0.1, 0.4, 0.2, 1.0], [0.9, 0.5, 0.0, 0.0], [0.7, 0.0, 0.0, 0.0]])
    loss = smoothness_loss(scores, mask_of([3, 2, 1], 4))
    assert loss.item() == pytest.approx((0.3**2 + 0.2**2 + 0.4**2) / 3, rel=1e-5)
