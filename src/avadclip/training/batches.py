"""Which bags make the steps of an epoch, and which of them each process takes."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from avadclip.config import Pairing
from avadclip.data.bags import Bag
from avadclip.model.base import ShareWeights


def draw_batches(
    bags: Sequence[Bag], *, batch_size: int, num_steps: int | None, pairing: Pairing, shuffle: torch.Generator
) -> list[list[Bag]]:
    """Batches of one epoch.

    Args:
        bags: of the training.
        batch_size: bags a step; even where they are paired.
        num_steps: None for as many as it takes to see every bag once. `mixed`, the last step may then be smaller;
            `paired`, bags of the rarer kind come again.
        pairing: `paired`: normal bags, then as many anomalous ones. There has to be one of each.
        shuffle: draws the order.
    """
    if pairing == "mixed":
        return _cut(bags, batch_size, num_steps, shuffle)
    half = batch_size // 2
    kinds = [[bag for bag in bags if bag.is_anomalous == wanted] for wanted in (False, True)]
    num_steps = num_steps or -(-max(map(len, kinds)) // half)
    normal, anomalous = (_cut(kind, half, num_steps, shuffle) for kind in kinds)
    return [[*some, *others] for some, others in zip(normal, anomalous, strict=True)]


def _cut(bags: Sequence[Bag], size: int, num_steps: int | None, shuffle: torch.Generator) -> list[list[Bag]]:
    """Shuffled passes over the bags, one behind the other, cut into steps."""
    wanted = len(bags) if num_steps is None else num_steps * size
    order: list[int] = []
    while len(order) < wanted:
        order += torch.randperm(len(bags), generator=shuffle).tolist()
    return [[bags[index] for index in order[start : min(start + size, wanted)]] for start in range(0, wanted, size)]


class Share(NamedTuple):
    """The part of a batch that one process computes."""

    bags: list[Bag]
    """At least one."""
    weights: ShareWeights


def take_share(batch: Sequence[Bag], *, process: int, num_processes: int) -> Share:
    """The bags of this process, of 0 .. num_processes - 1: every num_processes-th.

    Where there are fewer bags than processes, those left over do the first bag, with weight 0: all have to take
    part in every step.
    """
    own = list(batch[process::num_processes])
    weights = ShareWeights(
        bags=num_processes * len(own) / len(batch),
        snippets_with_audio=num_processes * _num_with_audio(own) / max(1, _num_with_audio(batch)),
    )
    return Share(own or [batch[0]], weights)


def _num_with_audio(bags: Sequence[Bag]) -> int:
    return sum(len(bag.stored) for bag in bags if bag.stored.has_usable_sound)
