from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avadclip.features.streams import StillsOnce


class Counting:
    """Mean of every frame; two frames a snippet, two crops."""

    frame_offsets = (0, 8)

    def __init__(self) -> None:
        self.num_encoded = 0

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        return frame.copy()

    def encode(self, frames: list[np.ndarray]) -> np.ndarray:
        self.num_encoded += len(frames) // 2
        rows = np.array([frame.mean() for frame in frames], np.float32).reshape(-1, 2)
        return np.stack([rows, -rows])


PICTURES = [np.full((2, 2, 3), value, np.uint8) for value in range(4)]


@given(shown=st.lists(st.tuples(*2 * [st.integers(0, 3)]), min_size=1, max_size=12), cut=st.integers(0, 12))
def test_features_are_those_of_encoding_everything(shown: list[tuple[int, int]], cut: int) -> None:
    frames = [PICTURES[number] for snippet in shown for number in snippet]
    counting = Counting()
    once = StillsOnce(counting)
    batches = [batch for batch in (frames[: 2 * cut], frames[2 * cut :]) if batch]
    found = np.concatenate([once.encode(batch) for batch in batches], axis=1)
    np.testing.assert_array_equal(found, Counting().encode(frames))
    assert counting.num_encoded == 1 + sum(one != other for one, other in pairwise(shown))


@pytest.mark.parametrize("per_batch", [1, 7])
def test_a_still_is_encoded_once_however_long_it_stands(per_batch: int) -> None:
    counting = Counting()
    once = StillsOnce(counting)
    for _ in range(100):
        assert once.encode([PICTURES[2]] * (2 * per_batch)).shape == (2, per_batch, 2)
    assert counting.num_encoded == 1


def test_a_picture_shown_twice_is_prepared_once() -> None:
    once = StillsOnce(Counting())
    first = once.prepare(PICTURES[0])
    assert once.prepare(PICTURES[0]) is first
    assert once.prepare(PICTURES[1]) is not first
