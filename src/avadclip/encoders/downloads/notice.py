"""The switch that forbids downloads, and what a download shows to people."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

OFFLINE = "HF_HUB_OFFLINE"  # the variable that huggingface_hub reads too: one switch for all downloads
FORBIDDEN = "--offline or HF_HUB_OFFLINE forbids downloads"

Advance = Callable[[int], None]
"""Called with the bytes of the file that are there."""


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids downloads."""
    return os.environ.get(OFFLINE, "").strip().lower() in {"1", "true", "yes", "on"}


def go_offline() -> None:
    """Forbid downloads in this process and in the processes it starts."""
    os.environ[OFFLINE] = "1"


announces = True
"""Whether downloads are announced; the command line's --quiet forbids it."""


def announce(what: str, num_bytes: int, place: str) -> None:
    """Print the one line on stderr that precedes a download."""
    if announces:
        print(f"avadclip: downloading {what} ({megabytes(num_bytes)}) from {place}", file=sys.stderr)  # noqa: T201


def megabytes(num_bytes: int) -> str:
    """A size for people, such as `7 MB`."""
    return f"{max(1, round(num_bytes / 1e6))} MB"


@contextmanager
def _no_bar(name: str, num_bytes: int | None) -> Iterator[Advance]:  # noqa: ARG001
    yield lambda _: None


show_progress: Callable[[str, int | None], AbstractContextManager[Advance]] = _no_bar
"""Shows the progress of a file, by its name and its size in bytes where that is known; the command line replaces it."""
