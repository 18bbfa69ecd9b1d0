import numpy as np
import pytest

from avadclip.encoders.rows import Rows


@pytest.mark.parametrize("sizes", [(), (1,), (3, 0, 2), (64,) * 9, (1,) * 200])
def test_rows_are_the_batches_joined(sizes: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    batches = [random.normal(size=(size, 5)).astype(np.float32) for size in sizes]
    rows = Rows(5)
    for batch in batches:
        rows.append(batch)
    assert len(rows) == sum(sizes)
    taken = rows.take()
    np.testing.assert_array_equal(taken, np.concatenate([np.empty((0, 5), np.float32), *batches]))
    assert taken.flags.c_contiguous
    assert taken.flags.owndata  # no view of something larger


def test_fewer_rows_than_there_are_can_be_taken() -> None:
    rows = Rows(1)
    rows.append(np.arange(10, dtype=np.float32)[:, None])
    assert rows.take(3)[:, 0].tolist() == [0, 1, 2]
