"""Display of the making of a dataset, which may take minutes; the command line replaces it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

ShowStep = Callable[[str, int, int], None]
"""Called with a description, the number of finished steps and that of all."""


@contextmanager
def _no_bar(title: str) -> Iterator[ShowStep]:  # noqa: ARG001
    yield lambda *_: None


show_steps: Callable[[str], AbstractContextManager[ShowStep]] = _no_bar
"""Shows the steps of work with this title inside the block."""
