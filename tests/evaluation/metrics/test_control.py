import numpy as np
import pytest

from avadclip.evaluation.metrics.control import kept_share, video_means
from avadclip.evaluation.metrics.frame import frame_measures
from avadclip.evaluation.metrics.records import Subject
from avadclip.evaluation.metrics.videos import measure_videos


def test_a_case_worked_by_hand() -> None:
    curves = [np.array([0.9, 0.6, 0.3, 0.7]), np.array([0.6, 0.2])]
    means = video_means(curves)
    assert means.tolist() == pytest.approx([2.5 / 4, 0.8 / 2])
    value = frame_measures(np.concatenate(curves), [1, 1, 0, 0, 0, 0], 1).roc_auc
    control = frame_measures(np.repeat(means, [4, 2]), [1, 1, 0, 0, 0, 0], 1).roc_auc
    assert value == pytest.approx(6.5 / 8)
    assert control == pytest.approx(6 / 8)  # tied with the two of its own video, above the two of the other
    assert kept_share(value, control, 0.5) == pytest.approx(0.25 / 0.3125)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_scores_keep_equal_means_whatever_the_length(dtype: type) -> None:
    for score in (0.1, 0.3, 1 / 3, 0.7, 1e-3):
        assert len(set(video_means([np.full(length, score, dtype) for length in range(1, 300)]).tolist())) == 1


def test_the_share_of_a_margin_that_is_not_there_is_undefined() -> None:
    assert kept_share(0.5, 0.6, 0.5) is None
    assert kept_share(0.4, 0.6, 0.5) is None
    assert kept_share(None, None, 0.5) is None
    assert kept_share(0.75, 0.5, 0.5) == 0.0
    assert kept_share(0.75, 1.0, 0.5) == 2.0
    assert kept_share(0.75, 0.25, 0.5) == -1.0


def test_the_control_of_whole_videos_ranks_them_by_their_means() -> None:
    # By the highest score the normal video is first, by the mean last.
    curves = {"given": [np.array([0.1, 0.9]), np.array([0.7, 0.6]), np.array([0.8, 0.8])]}
    subject = Subject("yard", False, "rival", "test", "unknown")
    precision, area = measure_videos(subject, curves, [False, True, True])
    assert (area.percent, area.video_mean_percent, area.kept_percent) == (0.0, 100.0, None)
    assert precision.percent == pytest.approx(100 * (1 / 2 + 2 / 3) / 2)
    assert precision.video_mean_percent == 100.0
