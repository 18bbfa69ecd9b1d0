"""Iterating in a thread of its own, some items ahead of whoever takes them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import Queue
from threading import Event, Thread
from typing import NamedTuple, TypeVar

ItemT = TypeVar("ItemT")


class _End(NamedTuple):
    """Marker after the last item."""

    error: BaseException | None


@contextmanager
def ahead(items: Iterable[ItemT], max_waiting: int) -> Iterator[Iterator[ItemT]]:
    """Iterate in a separate thread; inside the block the items are yielded in order.

    An exception of the iterable is raised at its position among the items. Leaving the block, also early or by an
    exception, closes a generator and ends the thread.

    Args:
        items: iterated, and closed, in the thread.
        max_waiting: number of items that may be buffered, at least 1.
    """
    waiting: Queue[ItemT | _End] = Queue(max_waiting)
    left = Event()

    def work() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if left.is_set():
                    break
                waiting.put(item)
        except BaseException as raised:  # raised in the consumer's thread
            error = raised
        if left.is_set() and (close := getattr(items, "close", None)) is not None:
            close()
        if not left.is_set():
            waiting.put(_End(error))

    thread = Thread(target=work, name="avadclip-ahead", daemon=True)
    thread.start()
    try:
        yield _taken(waiting)
    finally:
        left.set()
        while thread.is_alive():
            while not waiting.empty():  # make room for an item that the thread is about to put
                waiting.get_nowait()
            thread.join(timeout=0.01)


def _taken(waiting: "Queue[ItemT | _End]") -> Iterator[ItemT]:
    while True:
        item = waiting.get()
        if isinstance(item, _End):
            if item.error is not None:
                raise item.error
            return
        yield item
