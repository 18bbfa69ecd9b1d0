import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avadclip.data.bags import Bag
from avadclip.data.splits import group_of, hold_out
from avadclip.features.snippets import SnippetFeatures

FEATURES = SnippetFeatures(np.zeros((1, 1, 2), dtype=np.float32), None, 1.0, None)


def bag(name: str, group: str, is_anomalous: bool) -> Bag:
    return Bag(name, group, FEATURES, np.array([not is_anomalous, is_anomalous], dtype=np.float32))


def names(bags: tuple[Bag, ...]) -> list[str]:
    return [each.name for each in bags]


def num_anomalous(bags: tuple[Bag, ...]) -> int:
    return sum(each.is_anomalous for each in bags)


MIXED = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=60).map(
    lambda pairs: [bag(str(number), f"film {group}", kind) for number, (group, kind) in enumerate(pairs)]
)


@given(bags=MIXED, share=st.floats(0.0, 0.6), seed=st.integers(0, 99))
def test_no_group_is_parted_and_no_bag_is_lost(bags, share, seed):
    kept, held_out = hold_out(bags, share=share, seed=seed)
    assert not {each.group for each in kept} & {each.group for each in held_out}
    assert sorted(names(kept + held_out)) == sorted(names(tuple(bags)))


@given(bags=MIXED, share=st.floats(0.01, 0.6), seed=st.integers(0, 99))
def test_training_keeps_every_kind_it_had(bags, share, seed):
    kept, _ = hold_out(bags, share=share, seed=seed)
    assert {each.is_anomalous for each in kept} == {each.is_anomalous for each in bags}


@given(bags=MIXED, seed=st.integers(0, 99), order=st.randoms(use_true_random=False))
def test_the_order_of_the_bags_does_not_matter(bags, seed, order):
    shuffled = list(bags)
    order.shuffle(shuffled)
    assert set(names(hold_out(shuffled, seed=seed)[1])) == set(names(hold_out(bags, seed=seed)[1]))


@given(num_normal=st.integers(10, 200), num_other=st.integers(10, 200), seed=st.integers(0, 99))
def test_videos_of_their_own_are_held_out_in_proportion(num_normal, num_other, seed):
    bags = [bag(str(number), str(number), number < num_other) for number in range(num_normal + num_other)]
    _, held_out = hold_out(bags, seed=seed)
    assert num_anomalous(held_out) == round(0.1 * num_other)
    assert len(held_out) - num_anomalous(held_out) == round(0.1 * num_normal)


def test_films_of_xd_size_are_held_out_to_about_a_tenth_of_each_kind():
    random = np.random.default_rng(0)
    bags = [bag(f"{n}", f"film {random.integers(120)}", bool(random.random() < 0.5)) for n in range(1000)]
    _, held_out = hold_out(bags)
    assert 85 <= len(held_out) <= 115
    assert 40 <= num_anomalous(held_out) <= 60


def test_another_seed_holds_out_other_videos():
    bags = [bag(str(number), str(number), number % 2 == 0) for number in range(100)]
    assert names(hold_out(bags, seed=0)[1]) == names(hold_out(bags, seed=0)[1])
    assert names(hold_out(bags, seed=0)[1]) != names(hold_out(bags, seed=1)[1])


def test_two_large_groups_still_give_something_to_choose_on():
    bags = [bag(str(number), "day" if number < 60 else "night", number % 2 == 0) for number in range(100)]
    _, held_out = hold_out(bags)
    assert {each.group for each in held_out} == {"night"}


def test_one_group_alone_is_not_held_out():
    bags = [bag(str(number), "one camera", number % 2 == 0) for number in range(20)]
    assert hold_out(bags) == (tuple(bags), ())


@pytest.mark.parametrize(
    ("video", "group"),
    [
        ("Bad.Boys.1995__#00-26-51_00-27-53_label_B2-0-0", "Bad.Boys.1995"),
        ("train/Bad.Boys.1995__#01-07-01_01-08-13_label_B1-0-0.mp4", "Bad.Boys.1995"),
        ("D:\\xd\\Bad.Boys.1995__#01-07-01_01-08-13_label_B1-0-0.mp4", "Bad.Boys.1995"),
        ("fight/fi013.mp4", "fight/fi013.mp4"),
    ],
)
def test_a_group_is_the_film_in_the_name(video, group):
    assert group_of(video) == group
