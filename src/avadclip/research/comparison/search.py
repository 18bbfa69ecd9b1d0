"""Search for the way that features were made: every property is varied on its own, until nothing fits better."""

from collections.abc import Callable, Mapping
from statistics import median
from typing import NamedTuple

from avadclip.research.comparison.agreement import CLEARLY, is_clearly_nearer

Way = Mapping[str, str]
"""A value for every property: {"colour": "RGB", ..}."""
NUM_ROUNDS = 2  # the best value of a property may depend on a later one
LEAST_COSINE = 0.9  # below it, none of the tried ways made the features


class Fit(NamedTuple):
    """The way that fits a side best."""

    way: Way
    cosine: float
    """Mean over the encoded snippets."""
    clear: frozenset[str]
    """Properties of which every other value fits clearly worse."""
    is_found: bool
    """Whether this way, or one close to it, made the features: it fits far better than the others do."""


def fit(properties: Mapping[str, tuple[str, ...]], cosine_of: Callable[[Way], float]) -> Fit:
    """Find the way with the highest cosine.

    Args:
        properties: the values to try of each; the first is the usual one.
        cosine_of: of a way; called once for each.
    """
    known: dict[tuple[str, ...], float] = {}

    def cosine(way: Way) -> float:
        key = tuple(way[name] for name in properties)
        if key not in known:
            known[key] = cosine_of(way)
        return known[key]

    def with_each(name: str) -> list[float]:
        return [cosine({**best, name: value}) for value in properties[name]]

    best: Way = {name: values[0] for name, values in properties.items()}
    for _ in range(NUM_ROUNDS):
        for name, values in properties.items():
            found = with_each(name)
            best = {**best, name: values[found.index(max(found))]}
    top = cosine(best)
    clear = [
        name
        for name, values in properties.items()
        if all(
            is_clearly_nearer(top, other)
            for value, other in zip(values, with_each(name), strict=True)
            if value != best[name]
        )
    ]
    is_found = top >= LEAST_COSINE and 1 - top < CLEARLY * (1 - median(known.values()))
    return Fit(best, top, frozenset(clear), is_found)
