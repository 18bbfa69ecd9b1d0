import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from avadclip.evaluation.metrics.pairs import pair_measures

VIDEOS = st.lists(
    st.lists(st.tuples(st.sampled_from([-2.0, 0.1, 0.2, 0.5, 0.9]), st.integers(0, 3)), min_size=1, max_size=6),
    min_size=1,
    max_size=4,
)


def test_a_case_worked_by_hand() -> None:
    # Video 0: anomalous .9 and .6, normal .3 and .7. Video 1: normal .6 and .2. One frame a row.
    scores, positive = np.array([0.9, 0.6, 0.3, 0.7, 0.6, 0.2]), [1, 1, 0, 0, 0, 0]
    parts = pair_measures(scores, positive, 1, np.array([0, 0, 0, 0, 1, 1]))
    # Within: .9 is above both, .6 above .3 only. Across: .9 is above both, .6 is tied with .6 and above .2.
    assert parts == (4 / 8, 3 / 4, 3.5 / 4)


@given(VIDEOS)
def test_equals_counting_every_pair_and_sums_to_scikit_learns_auc(rows: list[list[tuple[float, int]]]) -> None:
    """Three frames a row; the plain form goes over all pairs of frames."""
    flat = [(score, positive, index) for index, row in enumerate(rows) for score, positive in row]
    frames = [(score, at < positive, index) for score, positive, index in flat for at in range(3)]
    won, count = {True: 0.0, False: 0.0}, {True: 0, False: 0}
    for score, is_positive, index in frames:
        for other, other_is_positive, other_index in frames:
            if is_positive and not other_is_positive:
                won[index == other_index] += 1.0 if score > other else 0.5 if score == other else 0.0
                count[index == other_index] += 1
    scores, positive, video = (np.array(column) for column in zip(*flat, strict=True))
    parts = pair_measures(scores, positive, 3, video)
    if sum(count.values()) == 0:
        assert parts is None
        return
    assert parts is not None
    assert parts.within_share == count[True] / sum(count.values())
    assert parts.within == (won[True] / count[True] if count[True] else None)
    assert parts.cross == (won[False] / count[False] if count[False] else None)
    w = parts.within_share
    area = w * (parts.within or 0.0) + (1 - w) * (parts.cross or 0.0)
    assert area == pytest.approx(
        roc_auc_score([frame[1] for frame in frames], [frame[0] for frame in frames]), abs=1e-9
    )


def test_knowing_only_which_videos_is_all_cross() -> None:
    means = np.array([0.8, 0.8, 0.8, 0.2, 0.2])  # two anomalous rows of three; a normal video
    parts = pair_measures(means, [16, 16, 0, 0, 0], 16, np.array([0, 0, 0, 1, 1]))
    assert parts == (2 / 6, 0.5, 1.0)
