import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avadclip.data.bags import Bag
from avadclip.features.snippets import SnippetFeatures
from avadclip.model.base import ShareWeights
from avadclip.training.batches import take_share

LENGTHS = st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=9)


def make_bag(index: int, length: int, *, has_sound: bool) -> Bag:
    audio = np.zeros((length, 2), np.float32) if has_sound else None
    features = SnippetFeatures(np.zeros((1, length, 3), np.float32), audio, 1.0, provenance=None)
    return Bag(f"bag {index}", "film", features, np.array([1, 0], np.float32))


@given(lengths=LENGTHS, num_processes=st.integers(1, 5))
def test_the_mean_of_all_shares_is_that_of_the_whole_batch(lengths: list, num_processes: int) -> None:
    batch = [make_bag(index, length, has_sound=sound) for index, (length, sound) in enumerate(lengths)]
    of_bag = {bag.name: 2.0**index for index, bag in enumerate(batch)}  # any other sum of bags is another number
    shares = [take_share(batch, process=index, num_processes=num_processes) for index in range(num_processes)]

    over_bags = [share.weights.bags * np.mean([of_bag[bag.name] for bag in share.bags]) for share in shares]
    assert np.mean(over_bags) == pytest.approx(np.mean(list(of_bag.values())))

    def per_snippet(bags: list[Bag]) -> float:
        values = [of_bag[bag.name] for bag in bags if bag.stored.has_usable_sound for _ in range(len(bag.stored))]
        return float(np.mean(values)) if values else 0.0

    over_snippets = [share.weights.snippets_with_audio * per_snippet(share.bags) for share in shares]
    assert np.mean(over_snippets) == pytest.approx(per_snippet(batch))


def test_one_process_takes_the_batch_as_it_is() -> None:
    batch = [make_bag(index, 3, has_sound=True) for index in range(3)]
    assert take_share(batch, process=0, num_processes=1) == (batch, ShareWeights(1.0, 1.0))


def test_a_process_without_a_bag_takes_part_with_one_of_weight_zero() -> None:
    batch = [make_bag(index, 3, has_sound=True) for index in range(2)]
    assert take_share(batch, process=2, num_processes=3) == ([batch[0]], ShareWeights(0.0, 0.0))
