import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from avadclip.evaluation.metrics.videos import video_measures


def test_a_small_case_by_hand() -> None:
    # Ranked: anomalous, normal, anomalous, normal. Precision at the anomalous ones 1/1 and 2/3; 3 of 4 pairs are right.
    found = video_measures(np.array([0.2, 0.9, 0.5, 0.1]), np.array([True, True, False, False]))
    assert found.average_precision is not None
    assert found.roc_auc is not None
    assert found.average_precision.value == pytest.approx((1 + 2 / 3) / 2)
    assert found.roc_auc.value == pytest.approx(3 / 4)


@pytest.mark.parametrize("seed", range(5))
def test_values_are_scikit_learns_with_equal_scores_too(seed: int) -> None:
    random = np.random.default_rng(seed)
    is_anomalous = np.append(random.random(40) < 0.3, [True, False])
    scores = random.integers(0, 8, size=42) / 8 + 0.2 * is_anomalous
    precision, area = video_measures(scores, is_anomalous)
    assert precision is not None
    assert area is not None
    assert precision.value == pytest.approx(average_precision_score(is_anomalous, scores))
    assert area.value == pytest.approx(roc_auc_score(is_anomalous, scores))
    assert precision.low <= precision.value <= precision.high
    assert area.low <= area.value <= area.high


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Scores of anomalous videos are shifted by 1 standard deviation: the true AUC is Phi(1 / sqrt(2)) = .7602."""
    held = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        is_anomalous = np.arange(80) < 40
        _, area = video_measures(random.normal(size=80) + is_anomalous, is_anomalous, seed=seed)
        assert area is not None
        held += area.low <= 0.7602 <= area.high
    assert 0.9 <= held / 200 <= 0.99


def test_videos_of_one_kind_cannot_be_ranked() -> None:
    assert video_measures(np.zeros(3), np.ones(3, dtype=bool)) == (None, None)
    assert video_measures(np.zeros(3), np.zeros(3, dtype=bool)) == (None, None)
