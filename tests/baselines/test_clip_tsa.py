import math

import pytest
import torch
from torch import Tensor, nn

from avadclip.baselines import clip_tsa
from avadclip.baselines.clip_tsa import ClipTsa, TokenSelection, perturbed_topk

from .made_up_bags import shake

SIGMA = 0.5
DRAWS = 100_000


def normal_cdf(x: Tensor) -> Tensor:
    return 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def expected_shares(scores: Tensor, k: int) -> Tensor:
    """P(snippet i is among the k best), by integrating over its own noise: the others are independent given it.

    Given its value v, the number of others above v is Poisson binomial; it is among the k best if fewer than k are.
    """
    z = torch.linspace(-7, 7, 4001, dtype=torch.float64)
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    shares = []
    for i in range(len(scores)):
        value = scores[i] + SIGMA * z
        above = [1 - normal_cdf((value - scores[j]) / SIGMA) for j in range(len(scores)) if j != i]
        counts = [torch.ones_like(z)]  # counts[m]: probability that m of the others so far are above
        for chance in above:
            stay = [count * (1 - chance) for count in counts]
            rise = [count * chance for count in counts]
            counts = [a + b for a, b in zip([*stay, 0 * z], [0 * z, *rise], strict=True)]
        shares.append((density * sum(counts[:k])).sum())
    return torch.stack(shares)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_perturbed_topk_matches_the_exact_expectation_and_its_gradient(k: int) -> None:
    torch.manual_seed(0)
    upstream = torch.tensor([0.7, -1.3, 0.4, 2.0], dtype=torch.float64)
    scores = torch.tensor([0.1, 0.6, 0.45, -0.2], dtype=torch.float64)
    exact = scores.clone().requires_grad_()
    reference = expected_shares(exact, k)
    (reference @ upstream).backward()
    # A fifth snippet is padding, and would be the best.
    drawn = torch.tensor([[*scores.tolist(), 9.0]], dtype=torch.float64, requires_grad=True)
    shares = perturbed_topk(drawn, torch.arange(5)[None] < 4, torch.tensor([[k]]), num_draws=DRAWS, sigma=SIGMA)
    (shares[0, :4] @ upstream).backward()
    torch.testing.assert_close(shares[0, :4], reference.detach(), rtol=0, atol=0.01)
    torch.testing.assert_close(drawn.grad[0, :4], exact.grad, rtol=0, atol=0.04)
    assert exact.grad.abs().max() > 0.3  # the tolerance is one to fail
    assert shares[0, 4] == drawn.grad[0, 4] == 0.0


def test_perturbed_topk_of_two_snippets_follows_the_normal_distribution() -> None:
    torch.manual_seed(0)
    scores, mask = torch.tensor([[0.3, 0.0]]), torch.ones(1, 2, dtype=torch.bool)
    shares = perturbed_topk(scores, mask, torch.tensor([[1]]), num_draws=DRAWS, sigma=SIGMA)
    expected = normal_cdf(torch.tensor(0.3 / (SIGMA * math.sqrt(2)))).item()
    assert shares[0].tolist() == pytest.approx([expected, 1 - expected], abs=0.01)


def test_perturbed_topk_takes_k_per_bag() -> None:
    mask = torch.arange(20) < torch.tensor([[20], [10], [1]])
    k = torch.tensor([[18], [9], [1]])
    shares = perturbed_topk(torch.rand(3, 20), mask, k, num_draws=50, sigma=0.05)
    torch.testing.assert_close(shares.sum(dim=1, keepdim=True), k.float())
    assert (shares[~mask] == 0.0).all()


def test_evaluation_keeps_the_best_nine_in_ten_snippets() -> None:
    select = shake(TokenSelection(4))
    x = torch.randn(2, 20, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(20) < torch.tensor([[20], [1]])
    selected = select(x, mask)
    worst = select.score(x[0]).squeeze(-1).argsort()[:2].tolist()
    for snippet in range(20):
        expected = torch.zeros(4) if snippet in worst else x[0, snippet]
        torch.testing.assert_close(selected[0, snippet], expected)
    torch.testing.assert_close(selected[1, 0], x[1, 0])


def test_training_weights_snippets_by_their_selection_share(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def halves(scores: Tensor, mask: Tensor, k: Tensor, *, num_draws: int, sigma: float) -> Tensor:
        seen.update(k=k.tolist(), num_draws=num_draws, sigma=sigma)
        return torch.full_like(scores, 0.5)

    monkeypatch.setattr(clip_tsa, "perturbed_topk", halves)
    select = shake(TokenSelection(4)).train()
    x = torch.randn(3, 30, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(select(x, torch.arange(30) < torch.tensor([[30], [5], [1]])), 0.5 * x)
    assert seen == {"k": [[27], [4], [1]], "num_draws": 100, "sigma": 0.05}


def test_layer_sizes() -> None:
    system = ClipTsa(visual_dim=512)

    def widths(layers: nn.Sequential) -> list[tuple[int, int]]:
        return [(layer.in_features, layer.out_features) for layer in layers if isinstance(layer, nn.Linear)]

    assert widths(system.select.score) == [(512, 256), (256, 1)]
    assert widths(system.network.classify) == [(512, 128), (128, 32), (32, 1)]
