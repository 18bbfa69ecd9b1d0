import pytest
import torch

from avadclip.baselines.deep_mil import DeepMil, ranking_loss
from avadclip.model.models import Bags

SCORES = torch.tensor([[0.2, 0.5, 0.9], [0.1, 0.3, 0.0], [0.6, 0.4, 0.0], [0.2, 0.9, 0.7]])
VALID = torch.tensor([[True, True, False], [True, True, True], [True, True, False], [True, True, True]])


def test_each_pair_is_ranked_by_its_highest_scores() -> None:
    # Pairs (0, 2) and (1, 3): 1 - .6 + .5, the .9 being padding; and 1 - .9 + .3.
    assert ranking_loss(SCORES, VALID).item() == pytest.approx((0.9 + 0.4) / 2)


def test_a_pair_far_enough_apart_costs_nothing() -> None:
    assert ranking_loss(torch.tensor([[0.0], [1.0]]), torch.ones(2, 1, dtype=torch.bool)).item() == 0.0


def test_the_anomalous_half_alone_is_asked_to_be_smooth_and_sparse() -> None:
    system = DeepMil(visual_dim=1).eval()
    system.layers = torch.nn.Identity()  # the feature is the logit
    bags = Bags(SCORES.logit(eps=1e-6)[..., None], None, VALID)
    losses = system.losses(bags, torch.zeros(4, 2))
    assert losses["ranking"].item() == pytest.approx(0.65, abs=1e-4)
    assert losses["smoothness"].item() == pytest.approx(8e-5 * (0.04 + 0.53) / 2, rel=1e-3)
    assert losses["sparsity"].item() == pytest.approx(8e-5 * (1.0 + 1.8) / 2, rel=1e-3)
