import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from avadclip.evaluation.metrics.frame import FrameMeasures, frame_measures

SNIPPETS = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.integers(0, 4)), min_size=1, max_size=12)


@given(SNIPPETS)
def test_equals_scikit_learn_on_repeated_scores_exactly(snippets: list[tuple[float, int]]) -> None:
    scores = np.array([score for score, _ in snippets], dtype=np.float32)
    truth = np.concatenate([[1] * positive + [0] * (4 - positive) for _, positive in snippets])
    measured = frame_measures(scores, [positive for _, positive in snippets], 4)
    if 0 < truth.sum() < len(truth):
        repeated = np.repeat(scores, 4)
        precision, recall, _ = precision_recall_curve(truth, repeated)
        assert measured == (
            average_precision_score(truth, repeated),
            auc(recall, precision),
            roc_auc_score(truth, repeated),
        )
    else:
        assert measured == FrameMeasures(None, None, None)


def test_a_case_worked_by_hand() -> None:
    # Best snippet: 2 of 4 frames anomalous. Second: 4 of 4. Third: none. Precision 2/4 at recall 1/3, 6/8 at 1.
    measured = frame_measures(np.array([0.9, 0.5, 0.1]), [2, 4, 0], 4)
    assert measured.average_precision == pytest.approx(1 / 3 * 2 / 4 + 2 / 3 * 6 / 8)
    # Trapezoids start at precision 1 and join the points: (1 + 2/4) / 2 * 1/3 + (2/4 + 6/8) / 2 * 2/3
    assert measured.pr_auc == pytest.approx(0.25 + 5 / 12)
    # Of 6 * 6 pairs, 2 * 4 and 4 * 4 are in order and 2 * 2 are tied, 4 * 2 in the wrong order.
    assert measured.roc_auc == pytest.approx((8 + 16 + 2) / 36)


def test_a_score_that_says_nothing_gets_the_share_of_positive_frames() -> None:
    measured = frame_measures(np.full(50, 0.3), [16] * 10 + [4] * 10 + [0] * 30, 16)
    assert measured.average_precision == pytest.approx(200 / 800)
    assert measured.roc_auc == pytest.approx(0.5)


@pytest.mark.parametrize("positive", [0, 16])
def test_frames_of_one_kind_give_no_number(positive: int) -> None:
    assert frame_measures(np.array([0.1, 0.9]), [positive] * 2, 16) == (None, None, None)


@pytest.mark.parametrize(
    ("scores", "positive"), [([0.1, np.nan], [0, 1]), ([0.1, 0.2], [0, 17]), ([0.1, 0.2], [-1, 1]), ([0.1], [0, 1])]
)
def test_scores_that_cannot_be_meant_are_refused(scores: list[float], positive: list[int]) -> None:
    with pytest.raises(ValueError, match="scores must be finite"):
        frame_measures(np.array(scores), positive, 16)
