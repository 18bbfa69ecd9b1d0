import numpy as np
import pytest

from avadclip.apps.own_footage.measure import Measured, divide, measure
from avadclip.data.bags import Bag
from avadclip.evaluation.metrics.bootstrap import Bounded
from avadclip.events import Thresholds

from .conftest import MakeBags


def scored(bags: list[Bag], peaks: list[float]) -> Measured:
    measured = measure("visual student", bags, {bag.name: [0.0, peak] for bag, peak in zip(bags, peaks, strict=True)})
    assert measured is not None
    return measured


def with_auc(bags: list[Bag], value: float, low: float) -> Measured:
    return Measured("visual student", bags, [], Bounded(value, low, 1.0), Thresholds(0.5, None))


def test_folds_hold_out_whole_groups_and_every_video_once(make_bags: MakeBags) -> None:
    groups = [f"recording {index // 2}" for index in range(24)]
    bags = make_bags(12, 12, groups=groups)
    folds = divide(bags)
    assert len(folds) == 5
    assert sorted(index for fold in folds for index in fold) == list(range(24))
    held = [{bags[index].group for index in fold} for fold in folds]
    assert not any(one & other for number, one in enumerate(held) for other in held[:number])
    assert all(len({bags[index].is_anomalous for index in set(range(24)) - set(fold)}) == 2 for fold in folds)


def test_few_groups_make_few_folds_and_one_of_a_kind_none(make_bags: MakeBags) -> None:
    groups = ["a", "a", "b", "b", "c", "d", "e", "f"]
    assert len(divide(make_bags(4, 4, groups=groups))) == 2
    assert divide(make_bags(4, 4, groups=["a"] * 4 + ["b", "c", "d", "e"])) == []


def test_the_auc_is_that_of_the_highest_scores_by_hand(make_bags: MakeBags) -> None:
    measured = scored(make_bags(2, 2), [0.1, 0.6, 0.5, 0.9])  # 3 of 4 pairs are in order
    assert measured.auc.value == 0.75
    assert measured.auc.low <= 0.75 <= measured.auc.high


def test_the_interval_is_wider_over_recordings_than_over_their_parts(make_bags: MakeBags) -> None:
    peaks = np.random.default_rng(0).uniform(size=20).repeat(2).tolist()
    apart = scored(make_bags(20, 20), peaks).auc
    together = scored(make_bags(20, 20, groups=[f"{index // 2}" for index in range(40)]), peaks).auc
    assert together.high - together.low > 1.2 * (apart.high - apart.low)


def test_flagged_videos_are_counted_at_the_threshold(make_bags: MakeBags) -> None:
    measured = scored(make_bags(4, 4), [0.1, 0.1, 0.1, 0.8, 0.2, 0.9, 0.9, 0.9])
    assert measured.thresholds == Thresholds(0.2, 0.9)  # 4 of 5 are right, then 3 of 3
    assert (measured.flagged(anomalous=True), measured.flagged(anomalous=False)) == ((4, 4), (1, 4))


def test_a_threshold_that_everything_reaches_is_not_precise_where_most_videos_are_anomalous(
    make_bags: MakeBags,
) -> None:
    measured = scored(make_bags(2, 18), [0.2, 0.3, *np.linspace(0.25, 0.9, 18).tolist()])
    assert measured.flagged(anomalous=False)[0] < 2


@pytest.mark.parametrize(("value", "low", "wanted"), [(0.7, 0.5, 5), (0.7, 0.3, 60), (0.6, 0.4, 60), (0.5, 0.3, None)])
def test_the_videos_to_add_follow_from_how_the_interval_shrinks(
    make_bags: MakeBags, value: float, low: float, wanted: int | None
) -> None:
    # (.7, .3): the bound is twice as far away as chance, so four times as many are needed: 20 + 60.
    assert with_auc(make_bags(10, 10), value, low).videos_to_add() == wanted


def test_nothing_is_shown_over_four_recordings_of_a_kind(make_bags: MakeBags) -> None:
    bags = make_bags(4, 20, groups=["a", "b", "c", "d", *map(str, range(20))])
    assert not with_auc(bags, 0.9, 0.8).is_shown
    assert with_auc(bags, 0.9, 0.8).videos_to_add() == 10  # a fifth recording, as many videos a recording
    assert with_auc(make_bags(5, 5), 0.9, 0.8).is_shown
