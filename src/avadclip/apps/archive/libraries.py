"""The libraries of the extra `[ray]`, which nothing outside this folder needs."""

import importlib
import os
from types import ModuleType

from avadclip.errors import ConfigError


def load_library(name: str) -> ModuleType:
    """Import `ray`, `fsspec` or `pyarrow.parquet`; ConfigError where it is not installed."""
    if name == "ray":
        # Asked for once, here: Ray reports its use to its makers otherwise, and puts a `print` of its own into Python.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_TQDM_PATCH_PRINT", "0")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"--ray needs {name}, which is not installed; pip install 'avadclip[ray]'") from error
