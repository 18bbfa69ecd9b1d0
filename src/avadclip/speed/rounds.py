"""Timing several things in turns: what else runs on the machine hits all of them alike, and ratios mean something."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Timing(NamedTuple):
    """Seconds of one thing, one of each per round."""

    wall: NDArray[np.float64]
    processor: NDArray[np.float64]
    """Of all threads of the process."""


class Spread(NamedTuple):
    """Median, least and most of the rounds."""

    median: float
    least: float
    most: float


def time_in_turns(work: Mapping[str, Callable[[], object]], num_rounds: int) -> dict[str, Timing]:
    """Run everything once to warm up, then in turns, `num_rounds` times."""
    for run in work.values():
        run()
    seconds = np.empty((2, num_rounds, len(work)))
    for number in range(num_rounds):
        for column, run in enumerate(work.values()):
            started = time.perf_counter(), time.process_time()
            run()
            seconds[:, number, column] = time.perf_counter() - started[0], time.process_time() - started[1]
    return {name: Timing(*seconds[:, :, column]) for column, name in enumerate(work)}


def spread(values: NDArray[np.float64]) -> Spread:
    """Of one value per round."""
    return Spread(float(np.median(values)), float(values.min()), float(values.max()))
