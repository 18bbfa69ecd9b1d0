import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from avadclip.data.footage_checks.validation_size import auc_margin, check_validation_size, num_needed
from avadclip.data.footage_checks.videos import FootageVideo


def videos(num_anomalous: int, num_normal: int, split: str, *, per_recording: int = 1) -> list[FootageVideo]:
    return [
        FootageVideo(
            f"{split} {label} {number}", f"{split} {label} {number // per_recording}", split, (label,), None, True
        )
        for label, num in (("fighting", num_anomalous), ("normal", num_normal))
        for number in range(num)
    ]


TRAIN = videos(200, 200, "train")


def test_the_margin_is_that_of_drawn_scores() -> None:
    random = np.random.default_rng(0)
    # Two normal distributions so far apart that their AUC is .85.
    aucs = [
        roc_auc_score([1] * 20 + [0] * 20, np.append(random.normal(1.4657, 1, 20), random.normal(0, 1, 20)))
        for _ in range(1000)
    ]
    assert auc_margin(20, 20) == pytest.approx(1.96 * np.std(aucs), rel=0.08)


def test_few_validation_videos_are_counted_and_enough_ones_are_named() -> None:
    warning = check_validation_size([*TRAIN, *videos(5, 7, "validation")])
    assert warning is not None
    assert warning.kind == "validation too small"
    assert "validation holds 5 anomalous and 7 normal videos: an AUC of 0.85" in warning.text
    assert f"about {num_needed()} of each kind are needed" in warning.text
    assert num_needed() == 30


def test_as_many_as_it_asks_for_are_enough() -> None:
    assert check_validation_size([*TRAIN, *videos(num_needed(), num_needed(), "validation")]) is None
    assert check_validation_size([*TRAIN, *videos(num_needed() - 1, num_needed() - 1, "validation")]) is not None


def test_many_pieces_of_few_recordings_are_few() -> None:
    warning = check_validation_size([*TRAIN, *videos(100, 100, "validation", per_recording=20)])
    assert warning is not None
    assert "100 anomalous and 100 normal videos, of 5 and 5 recordings" in warning.text


@pytest.mark.parametrize(("num_anomalous", "num_normal"), [(0, 0), (0, 50), (50, 0)])
def test_without_both_kinds_nothing_can_be_chosen(num_anomalous: int, num_normal: int) -> None:
    warning = check_validation_size([*TRAIN, *videos(num_anomalous, num_normal, "validation")])
    assert warning is not None
    assert "no epoch and no threshold can be chosen" in warning.text


def test_footage_that_nothing_is_trained_on_needs_no_validation() -> None:
    assert check_validation_size(videos(3, 3, "test")) is None
