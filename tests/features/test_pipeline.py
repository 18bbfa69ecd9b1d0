import threading
import time
from collections.abc import Iterator

import pytest

from avadclip.media.ahead import ahead


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("max_waiting", [1, 3, 100])
def test_items_come_in_their_order(max_waiting: int) -> None:
    with ahead(range(50), max_waiting) as items:
        assert list(items) == list(range(50))
    with ahead([], max_waiting) as items:
        assert list(items) == []


def test_reading_runs_ahead_no_further_than_allowed() -> None:
    made: list[int] = []

    def work() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with ahead(work(), 3) as items:
        assert next(items) == 0
        deadline = time.monotonic() + 10
        while len(made) < 5 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.05)
        assert len(made) == 5  # the one taken, three that wait, and one in the thread's hands


def test_an_error_comes_in_its_place() -> None:
    def work() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("a disk is gone")

    with ahead(work(), 1) as items:
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(OSError, match="a disk is gone"):
            next(items)


@pytest.mark.parametrize("num_taken", [0, 1, 5])
def test_leaving_early_closes_the_generator_and_ends_the_thread(num_taken: int) -> None:
    closed: list[str] = []

    def work() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            closed.append(threading.current_thread().name)

    with ahead(work(), 2) as items:
        for _ in range(num_taken):
            next(items)
    assert closed == ["avadclip-ahead"]


def test_an_error_of_the_reader_ends_the_thread_too() -> None:
    def read() -> None:
        with ahead(iter(int, 1), 2) as items:
            next(items)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read()


def test_stages_chain() -> None:
    with ahead(range(20), 1) as numbers, ahead((2 * number for number in numbers), 1) as doubled:
        assert [next(doubled) for _ in range(3)] == [0, 2, 4]


def test_an_error_passes_through_all_stages() -> None:
    inverse = lambda number: 1 // (5 - number)  # noqa: E731
    with ahead(range(20), 1) as numbers, ahead(map(inverse, numbers), 1) as divided, ahead(divided, 1) as last:
        assert next(last) == 0
        with pytest.raises(ZeroDivisionError):
            list(last)
