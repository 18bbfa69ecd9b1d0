"""Real videos made on the spot, for the tests of media."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from .made_videos import Sound, click_at, number_of, numbered_picture, write_video


@pytest.fixture(name="make_video")
def _make_video() -> Callable[..., Path]:
    return write_video


@pytest.fixture(name="sound_track")
def _sound_track() -> type[Sound]:
    return Sound


@pytest.fixture(name="click_at")
def _click_at() -> Callable[..., NDArray[np.float32]]:
    return click_at


@pytest.fixture(name="numbered_picture")
def _numbered_picture() -> Callable[..., NDArray[np.uint8]]:
    return numbered_picture


@pytest.fixture(name="number_of")
def _number_of() -> Callable[..., int]:
    return number_of
