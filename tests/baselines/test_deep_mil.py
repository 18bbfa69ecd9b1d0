import pytest
import torch

from avadclip.baselines.deep_mil import DeepMil, ranking_loss
from avadclip.model.base import Bags

from .made_up_bags import make_batch

SCORES = torch.tensor([[0.2, 0.5, 0.9], [0.1, 0.3, 0.0], [0.6, 0.4, 0.0], [0.2, 0.9, 0.7]])
MASK = torch.tensor([[True, True, False], [True, True, True], [True, True, False], [True, True, True]])


def test_ranking_loss_uses_the_highest_scores_of_each_pair() -> None:
    # Pairs (0, 2) and (1, 3): 1 - .6 + .5, the .9 being padding; and 1 - .9 + .3.
    assert ranking_loss(SCORES, MASK).item() == pytest.approx((0.9 + 0.4) / 2)


def test_ranking_loss_is_zero_beyond_the_margin() -> None:
    assert ranking_loss(torch.tensor([[0.0], [1.0]]), torch.ones(2, 1, dtype=torch.bool)).item() == 0.0


def test_smoothness_and_sparsity_apply_to_anomalous_bags_only() -> None:
    system = DeepMil(visual_dim=1).eval()
    system.layers = torch.nn.Identity()  # the feature is the logit
    bags = Bags(SCORES.logit(eps=1e-6)[..., None], None, MASK)
    losses = system.losses(make_batch(bags, torch.zeros(4, 2)))
    assert losses["ranking"].item() == pytest.approx(0.65, abs=1e-4)
    assert losses["smoothness"].item() == pytest.approx(8e-5 * (0.04 + 0.53) / 2, rel=1e-3)
    assert losses["sparsity"].item() == pytest.approx(8e-5 * (1.0 + 1.8) / 2, rel=1e-3)
