"""Import of the libraries of the extra `[ray]`, used in this folder only."""

import importlib
import os
from types import ModuleType

from avadclip.errors import ConfigError


def load_library(name: str) -> ModuleType:
    """Import `ray`, `fsspec` or `pyarrow.parquet`; ConfigError if it is not installed."""
    if name == "ray":
        # Set once, here: otherwise Ray sends usage reports and replaces Python's `print`.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_TQDM_PATCH_PRINT", "0")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"--ray needs {name}, which is not installed; pip install 'avadclip[ray]'") from error
