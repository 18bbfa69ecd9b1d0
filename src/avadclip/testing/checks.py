"""Running checks: all of them, and one exception that holds every failure."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-4  # of a feature, relative to the largest one: what the order of sums may change

Features = NDArray[np.float32]
Check = Callable[[], None]
"""Raises where its promise is broken; its name is the promise."""


def require(holds: bool, message: str) -> None:
    """Raise AssertionError with this message unless it holds; unlike `assert`, also under `python -O`."""
    if not holds:
        raise AssertionError(message)


def run_checks(subject: str, checks: Sequence[Check]) -> None:
    """Run every check.

    Raises:
        ExceptionGroup: what the failed checks raised; its message names them.
    """
    failures: list[Exception] = []
    names: list[str] = []
    for check in checks:
        name = check.__name__.strip("_")
        try:
            check()
        except Exception as failure:  # faulty plug-ins raise anything
            failure.add_note(f"check of {subject}: {name}")
            failures.append(failure)
            names.append(name)
    if failures:
        raise ExceptionGroup(f"{subject}: {len(failures)} of {len(checks)} checks failed: {', '.join(names)}", failures)


def check_features(found: Features, shape: tuple[int, ...]) -> None:
    """Require finite float32 features of a shape."""
    require(isinstance(found, np.ndarray), f"features are a {type(found).__name__}, needed a NumPy array")
    require(found.shape == shape, f"features have the shape {found.shape}, needed {shape}")
    require(found.dtype == np.float32, f"features are {found.dtype}, needed float32")
    require(bool(np.isfinite(found).all()), "features are not finite")


def check_equal(found: Features, expected: Features, message: str) -> None:
    """Require equal features, but for the order of sums."""
    scale = float(np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=TOLERANCE * scale, err_msg=message)
