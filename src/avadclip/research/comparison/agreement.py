"""How far two sets of rows agree: cosines per snippet, the crop and the shift at which they agree best."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

SHIFTS = (0, -1, 1)  # snippets; rounding of lengths and of starts moves rows by one
CLEARLY = 0.5  # a crop or a shift is another one only if it at least halves the distance 1 - cosine

Rows = NDArray[np.float32]
Doubles = NDArray[np.float64]
RowsT = TypeVar("RowsT", Rows, Doubles)


class CropAgreement(NamedTuple):
    """One crop of mine with the crop of theirs, and the shift, that it agrees with best."""

    crop: int
    """Of mine."""
    their_crop: int
    """The same number unless another one is clearly nearer."""
    shift: int
    """Snippet i of mine is their snippet i + shift."""
    cosines: NDArray[np.float64]
    """[N], of the snippets that both have."""
    unmoved: float | None
    """Mean cosine with the same crop without a shift; None where they have no such crop."""
    scale: float
    """Median of |mine| / |theirs|."""
    moments: "PairMoments"


class PairMoments(NamedTuple):
    """Sums over N pairs of rows of length 1, from which a correlation over many videos follows."""

    num_rows: int
    products: float
    squares: tuple[float, float]
    sums: tuple[NDArray[np.float64], NDArray[np.float64]]
    """[D] each, of mine and of theirs."""


def cosines(mine: Rows, theirs: Rows) -> NDArray[np.float64]:
    """Row by row, [N]; 0 for a row of zeros."""
    found: NDArray[np.float64] = (_units(mine) * _units(theirs)).sum(axis=1)
    return found


def is_clearly_nearer(cosine: float, other: float) -> bool:
    """Whether the first cosine is clearly higher, by distance from 1."""
    return 1 - cosine < CLEARLY * (1 - other)


def agree(mine: Rows, crop: int, theirs: Mapping[int, Rows]) -> CropAgreement:
    """Find the crop and the shift of theirs that one crop of mine agrees with best.

    Args:
        mine: [T, D]
        crop: its number.
        theirs: by crop, [T', D] each, T' at least 2 if T is.
    """
    usual = crop if crop in theirs else min(theirs)
    units, their_units = _units(mine), {other: _units(rows) for other, rows in theirs.items()}
    means = {
        (other, shift): _mean_product(*_pair(units, their_units[other], shift)) for other in theirs for shift in SHIFTS
    }
    best = max(means, key=lambda key: (means[key], key == (usual, 0)))
    if not is_clearly_nearer(means[best], means[usual, 0]):
        best = (usual, 0)
    one, other = _pair(units, their_units[best[0]], best[1])
    norms = [np.linalg.norm(each, axis=1) for each in _pair(mine, theirs[best[0]], best[1])]
    is_long = (norms[0] > 0) & (norms[1] > 0)
    return CropAgreement(
        crop,
        *best,
        (one * other).sum(axis=1),
        unmoved=means[crop, 0] if crop in theirs else None,
        scale=float(np.median(norms[0][is_long] / norms[1][is_long])) if is_long.any() else 0.0,
        moments=_moments(one, other),
    )


def _units(rows: Rows) -> Doubles:
    """Rows of length 1; of zeros where they are."""
    doubles = rows.astype(np.float64)
    norms = np.linalg.norm(doubles, axis=1, keepdims=True)
    units: Doubles = np.divide(doubles, norms, out=np.zeros_like(doubles), where=norms > 0)
    return units


def _mean_product(mine: Doubles, theirs: Doubles) -> float:
    """Mean over rows of their products; -1, the least there is, of no rows."""
    return float(np.vdot(mine, theirs)) / len(mine) if len(mine) else -1.0


def _pair(mine: RowsT, theirs: RowsT, shift: int) -> tuple[RowsT, RowsT]:
    """The rows that both have, mine i beside theirs i + shift."""
    start, stop = max(0, -shift), min(len(mine), len(theirs) - shift)
    return mine[start:stop], theirs[start + shift : stop + shift]


def _moments(mine: Doubles, theirs: Doubles) -> PairMoments:
    return PairMoments(
        len(mine),
        float((mine * theirs).sum()),
        (float((mine**2).sum()), float((theirs**2).sum())),
        (mine.sum(axis=0), theirs.sum(axis=0)),
    )


def correlation(parts: list[PairMoments]) -> float:
    """Cosine of all rows together, each of length 1, less their side's mean; 0 where one side never changes.

    Features of different pictures share most of their direction, so cosines alone make everything look alike.
    """
    num_rows = sum(part.num_rows for part in parts)
    sums = [np.sum([part.sums[side] for part in parts], axis=0) for side in (0, 1)]
    product = sum(part.products for part in parts) - float(sums[0] @ sums[1]) / num_rows
    spreads = [sum(part.squares[side] for part in parts) - float(sums[side] @ sums[side]) / num_rows for side in (0, 1)]
    return product / float(np.sqrt(spreads[0] * spreads[1])) if min(spreads) > 0 else 0.0
