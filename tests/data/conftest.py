from pathlib import Path

import pytest

from .published_xd import build


@pytest.fixture
def xd(tmp_path: Path) -> Path:
    """The folder of a small XD-Violence in the published format."""
    return build(tmp_path / "xd")
