"""Frame rates, as far as a file's own statements can be believed.

Headers also state ticks of a clock (60000 in DV), or fields instead of frames (60 for 30 frames of H.264 in AVI): both
are too high. Too low is only an average over time that the clock jumped.
"""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from av.video.stream import VideoStream

NOMINAL_RATE_HZ = 25.0  # where a file states none at all
MAX_RATE_HZ = 1000.0  # a higher one is a clock's
MIN_STEPS = 8  # between pictures, for a rate that is measured
MAX_EXCESS = 1.5  # of a stated rate over the measured one; twice are fields
MAX_SHORTFALL = 20.0  # below it, the average counts time that a clock jumped over


def stated_rate_hz(stream: VideoStream) -> float:
    """The lowest plausible rate that the headers state; 0 if there is none."""
    stated = (float(rate or 0) for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate))
    return min((rate for rate in stated if 0 < rate <= MAX_RATE_HZ), default=0.0)


def frame_rate_hz(stream: VideoStream, starts: Sequence[float]) -> float:
    """The average rate; the measured one where the headers state none or a higher one.

    Args:
        stream: what the headers state.
        starts: of some pictures in a row, in seconds, in any order.
    """
    stated = stated_rate_hz(stream)
    times = sorted(starts)
    steps = [after - before for before, after in pairwise(times) if after > before]
    if len(steps) < MIN_STEPS:
        return stated
    measured = 1 / median(steps)
    seconds = float((stream.duration or 0) * (stream.time_base or 0))
    is_counted = seconds > 0 and stream.frames > 0 and stream.frames / seconds * MAX_EXCESS > stated
    is_too_high = stated > MAX_EXCESS * measured and not is_counted
    is_doubted = is_too_high or stated * MAX_SHORTFALL < measured
    return measured if is_doubted and measured <= MAX_RATE_HZ else stated
