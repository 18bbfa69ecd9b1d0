"""Deprecated: the place of `load_detector` in 0.1.0. Use `avadclip.load_detector`."""

import warnings

from avadclip.inference.detector import Detection, Detector, load_detector

__all__ = ["Detection", "Detector", "load_detector"]

warnings.warn(
    "avadclip.detection is deprecated and goes after the next release; use `from avadclip import load_detector`",
    DeprecationWarning,
    stacklevel=2,
)
