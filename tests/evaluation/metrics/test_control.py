import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from avadclip.evaluation.metrics.control import kept_share, video_means
from avadclip.evaluation.metrics.frame import frame_measures
from avadclip.evaluation.metrics.frame_level import measure_frames
from avadclip.evaluation.metrics.intervals import TruthInterval
from avadclip.evaluation.metrics.records import Subject
from avadclip.evaluation.metrics.truth import VideoTruth, join_frames
from avadclip.evaluation.metrics.videos import measure_videos

SUBJECT = Subject("yard", is_synthetic=False, network="rival", split="test", selection="unknown")


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
    precision, area = measure_videos(SUBJECT, curves, [False, True, True])
    assert (area.percent, area.video_mean_percent, area.kept_percent) == (0.0, 100.0, None)
    assert precision.percent == pytest.approx(100 * (1 / 2 + 2 / 3) / 2)
    assert precision.video_mean_percent == 100.0


@pytest.mark.parametrize("seed", range(5))
def test_the_control_of_frames_is_scikit_learns_measure_of_the_repeated_means(seed: int) -> None:
    random = np.random.default_rng(seed)
    curves = [random.random(random.integers(1, 30)).astype(np.float32) for _ in range(20)]
    truths = [
        VideoTruth((TruthInterval(1, 0, 1),), (random.random(16 * len(curve)) < 0.3) & (index % 2 == 0))
        for index, curve in enumerate(curves)
    ]
    truth = np.concatenate([each.is_positive for each in truths])
    means = np.concatenate([np.full(16 * len(curve), np.float64(curve).mean()) for curve in curves])
    found = {each.name: each for each in measure_frames(SUBJECT, "given", curves, join_frames(curves, truths))}
    assert found["frame_ap"].video_mean_percent == pytest.approx(100 * average_precision_score(truth, means))
    assert found["roc_auc"].video_mean_percent == pytest.approx(100 * roc_auc_score(truth, means))
    assert found["calibration_error"].video_mean_percent is None
