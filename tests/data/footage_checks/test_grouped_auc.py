import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from avadclip.data.footage_checks.grouped_auc import grouped_auc


def test_the_value_is_the_roc_auc_with_ties_counted_half() -> None:
    random = np.random.default_rng(0)
    is_anomalous, scores = random.random(50) < 0.4, random.integers(0, 6, 50).astype(float)
    auc = grouped_auc(is_anomalous, scores, np.arange(50).astype(str))
    assert auc.value == pytest.approx(roc_auc_score(is_anomalous, scores))
    assert auc.low < auc.value < auc.high


def test_the_interval_is_that_of_drawing_whole_groups_again() -> None:
    random = np.random.default_rng(1)
    group = np.repeat(np.arange(40), 5)
    is_anomalous = np.where(group < 20, random.random(200) < 0.8, random.random(200) < 0.2)
    scores = is_anomalous + random.normal(0, 1, 40)[group] + random.normal(0, 0.3, 200)
    auc = grouped_auc(is_anomalous, scores, group.astype(str))
    drawn = []
    for _ in range(1000):
        rows = (random.integers(0, 40, 40)[:, None] * 5 + np.arange(5)).ravel()
        drawn.append(roc_auc_score(is_anomalous[rows], scores[rows]))
    assert auc.high - auc.value == pytest.approx(1.96 * np.std(drawn), rel=0.15)
    alone = grouped_auc(is_anomalous, scores, np.arange(200).astype(str))
    assert auc.high - auc.low > 1.2 * (alone.high - alone.low)


def test_one_group_of_a_kind_shows_nothing() -> None:
    is_anomalous = np.array([True, True, False, False])
    auc = grouped_auc(is_anomalous, np.array([0.9, 0.8, 0.1, 0.2]), np.array(["a", "a", "b", "c"]))
    assert auc == (1.0, 0.0, 1.0)
