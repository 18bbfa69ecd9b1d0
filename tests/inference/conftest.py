from ..features.conftest import _write_clip  # noqa: F401  a fixture
