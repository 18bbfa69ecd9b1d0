"""Hold-out of training videos for checkpoint and threshold selection, without dividing a group."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from avadclip.data.bags import Bag
from avadclip.data.names import file_name, split_crop

HELD_OUT_SHARE = 0.1  # of the training bags
XD_SEPARATOR = "__#"  # between film and position in XD-Violence's names


def group_of(video: str) -> str:
    """The film of an XD-Violence name (`Bad.Boys.1995__#00-26-51_..`: `Bad.Boys.1995`); else the name without crop."""
    cropped = split_crop(video)
    video = video if cropped is None else cropped.video
    film, separator, _ = file_name(video).partition(XD_SEPARATOR)
    return film if separator else video


def hold_out(
    bags: Sequence[Bag], *, share: float = HELD_OUT_SHARE, seed: int = 0
) -> tuple[tuple[Bag, ...], tuple[Bag, ...]]:
    """Split training bags into kept and held-out ones.

    Groups are tried in random order, and one is held out where that brings the number of normal and of anomalous bags
    held out closer to `share` of each, at least one. Both kinds remain in training. If all bags, or
    all bags of a kind, belong to one group, none of that kind are held out.

    Args:
        bags: bags of one training split, in any order.
        share: within [0, 1).
        seed: of the order of the groups.

    Returns:
        Kept and held out, each in the order given.
    """
    sizes: dict[str, Counter[bool]] = {}  # group: bags that are anomalous, and that are not
    for bag in bags:
        sizes.setdefault(bag.group, Counter())[bag.is_anomalous] += 1
    held_out = _choose_groups(sizes, share, np.random.default_rng(seed)) if share > 0 else set()
    kept = tuple(bag for bag in bags if bag.group not in held_out)
    return kept, tuple(bag for bag in bags if bag.group in held_out)


def _choose_groups(sizes: dict[str, Counter[bool]], share: float, random: np.random.Generator) -> set[str]:
    totals = sum(sizes.values(), Counter[bool]())
    wanted = {kind: max(1, round(share * num)) for kind, num in totals.items()}
    order = [str(group) for group in random.permutation(sorted(sizes))]
    chosen: set[str] = set()
    taken: Counter[bool] = Counter()
    for group in order:
        if _distance(taken + sizes[group], wanted) < _distance(taken, wanted) and _leaves_both(
            totals, taken + sizes[group]
        ):
            chosen.add(group)
            taken += sizes[group]
    # Where all groups of a kind are large, the smallest of them is held out all the same.
    for kind in wanted:
        for group in sorted(order, key=lambda group: sizes[group].total()):
            if not taken[kind] and sizes[group][kind] and _leaves_both(totals, taken + sizes[group]):
                chosen.add(group)
                taken += sizes[group]
    return chosen


def _distance(taken: Counter[bool], wanted: dict[bool, int]) -> int:
    return sum(abs(taken[kind] - num) for kind, num in wanted.items())


def _leaves_both(totals: Counter[bool], taken: Counter[bool]) -> bool:
    return all(taken[kind] < num for kind, num in totals.items())
