"""What a camera's process hands over: one snippet's pictures and sound."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class LiveSnippet(NamedTuple):
    """Times are unix seconds."""

    start: float
    end: float
    frames: list[NDArray[np.uint8]]
    """RGB [H, W, 3], one per offset the visual encoder asks for."""
    sound: NDArray[np.float32] | None
    """The window centred on the snippet, [N], mono at track.SAMPLE_RATE_HZ; None where too little was heard."""
    arrived: float
    """When the last of its pictures arrived."""
