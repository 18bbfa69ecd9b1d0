"""A CLIP small enough for every test, which takes CLIP's own crops."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.research.speed.footage import write_footage

SMALL = ClipConfig(
    vision_width=32, vision_depth=1, vision_heads=2, text_width=8, text_depth=1, text_heads=2, embed_dim=8
)


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads of small networks only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small_clip() -> Clip:
    torch.manual_seed(0)
    return Clip(SMALL)


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds, 160 x 90."""
    path = tmp_path_factory.mktemp("footage") / "made.mp4"
    write_footage(path, height=90, seconds=3.0)
    return path
