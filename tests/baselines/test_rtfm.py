import math

import pytest
import torch
from torch import nn

from avadclip.baselines.rtfm import Rtfm, ScoredFeatures, magnitude_losses
from avadclip.model.projection import FeatureProjection

MASK = torch.tensor([[True] * 5, [True] * 4 + [False]])
TARGETS = torch.tensor([[1.0, 0], [0, 1]])  # a normal bag, then an anomalous one
# One channel: a snippet's magnitude is its value. The padding of the second bag is the longest of all.
FEATURES = torch.tensor([[3.0, 1.0, 6.0, 2.0, 9.0], [10.0, 50.0, 30.0, 70.0, 999.0]])[..., None]
SCORES = torch.tensor([[0.1, 0.9, 0.2, 0.9, 0.3], [0.5, 0.8, 0.6, 0.1, 0.9]])


@pytest.fixture
def losses() -> dict[str, float]:
    named = magnitude_losses(ScoredFeatures(FEATURES, SCORES.logit()), MASK, TARGETS, training=False)
    return {name: loss.item() for name, loss in named.items()}


def test_anomaly_loss_uses_the_three_longest_snippets(losses: dict[str, float]) -> None:
    normal, anomalous = (0.1 + 0.2 + 0.3) / 3, (0.8 + 0.6 + 0.1) / 3
    assert losses["anomaly"] == pytest.approx(-(math.log(1 - normal) + math.log(anomalous)) / 2, rel=1e-5)


def test_magnitude_loss_draws_to_100_and_to_0(losses: dict[str, float]) -> None:
    normal, anomalous = (3 + 6 + 9) / 3, (50 + 30 + 70) / 3
    assert losses["magnitude"] == pytest.approx(1e-4 * (100 - anomalous + normal) ** 2, rel=1e-5)


def test_smoothness_and_sparsity_apply_to_anomalous_bags_only(losses: dict[str, float]) -> None:
    assert losses["smoothness"] == pytest.approx(8e-4 * (0.3**2 + 0.2**2 + 0.5**2), rel=1e-4)
    assert losses["sparsity"] == pytest.approx(8e-3 * math.sqrt(0.5**2 + 0.8**2 + 0.6**2 + 0.1**2), rel=1e-4)


def test_training_dropout_hides_seven_in_ten_snippets_from_being_picked() -> None:
    torch.manual_seed(0)
    features = torch.full((2, 1000, 1), 0.5)
    features[1, 500] = 30.0
    scored = ScoredFeatures(features, torch.zeros(2, 1000))
    mask = torch.ones(2, 1000, dtype=torch.bool)
    losses = [magnitude_losses(scored, mask, TARGETS, training=True)["magnitude"].item() for _ in range(300)]
    picked = 1e-4 * (100.0 - (30.0 + 0.5 + 0.5) / 3 + 0.5) ** 2
    assert sum(loss == pytest.approx(picked, rel=1e-5) for loss in losses) / 300 == pytest.approx(0.3, abs=0.1)


def test_layer_sizes() -> None:
    system = Rtfm(visual_dim=512)
    assert isinstance(system.visual_projection, nn.Identity)
    linear = [layer for layer in system.network.classify if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(512, 512), (512, 128), (128, 1)]
    assert {layer.p for layer in system.modules() if isinstance(layer, nn.Dropout)} == {0.7}
    assert isinstance(Rtfm(visual_dim=20).visual_projection, FeatureProjection)


def test_features_of_other_widths_are_standardised() -> None:
    system = Rtfm(visual_dim=3)
    system.fit_projections(torch.tensor([[1.0, 5.0, 0.0], [3.0, 5.0, 0.0]]), None)
    assert system.visual_projection.mean.tolist() == [2.0, 5.0, 0.0]
