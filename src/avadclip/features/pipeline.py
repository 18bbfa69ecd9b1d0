"""Work done ahead in a thread of its own, so that reading, preparing and encoding overlap.

Decoders, scalers and networks leave Python's lock while they work, so threads are enough.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import Queue
from threading import Event, Thread
from typing import NamedTuple, TypeVar

ItemT = TypeVar("ItemT")


class _End(NamedTuple):
    """Stands behind the last item."""

    error: BaseException | None


@contextmanager
def ahead(items: Iterable[ItemT], max_waiting: int) -> Iterator[Iterator[ItemT]]:
    """Run an iterable in a thread of its own; inside the block its items come in their order.

    What it raises is raised in its place among the items. Leaving the block, early or by an exception too, closes a
    generator and ends the thread.

    Args:
        items: iterated, and closed, in the thread.
        max_waiting: how many items may wait for whoever takes them, at least 1.
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
        except BaseException as raised:  # whatever it is belongs to the reader
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
            while not waiting.empty():  # room for an item that the thread is about to put down
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
