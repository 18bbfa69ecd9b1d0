"""One batch over several processes: which bags each of them takes, and how much they count."""

from collections.abc import Sequence
from typing import NamedTuple

from avadclip.data.bags import Bag


class Weights(NamedTuple):
    """Factors on one process's losses, so that their mean over all processes is the loss of the whole batch."""

    bags: float = 1.0
    """Of means over bags."""
    taught: float = 1.0
    """Of means over the snippets of bags with sound: the distillation."""


class Share(NamedTuple):
    """What one process does of a batch."""

    bags: list[Bag]
    """At least one."""
    weights: Weights


def take_share(batch: Sequence[Bag], *, process: int, num_processes: int) -> Share:
    """The bags of this process, of 0 .. num_processes - 1: every num_processes-th.

    Where there are fewer bags than processes, those left over do the first bag, and it counts nothing there: all have
    to take part in every step.
    """
    own = list(batch[process::num_processes])
    weights = Weights(
        bags=num_processes * len(own) / len(batch),
        taught=num_processes * _num_taught(own) / max(1, _num_taught(batch)),
    )
    return Share(own or [batch[0]], weights)


def _num_taught(bags: Sequence[Bag]) -> int:
    return sum(len(bag.held) for bag in bags if bag.held.has_usable_sound)
