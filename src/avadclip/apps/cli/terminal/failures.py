"""Failures for want of memory, which libraries report as errors of many kinds."""

import errno
import sys
from collections.abc import Iterator

from avadclip.errors import ConfigError

# Bytes of address space. Below 1.0 GB, loading of torch, ONNX Runtime and SciPy fails, aborts or hangs; Ray aborts at
# 1.5 GB.
LIBRARIES_NEED, RAY_NEEDS = 1_200_000_000, 2_500_000_000
SIGNS = (  # in lower case; loader, Python, torch, ONNX Runtime and C++ each have words of their own
    "failed to map segment",
    "cannot allocate memory",
    "can't allocate memory",
    "failed to allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "can't start new thread",
)


def check_memory_limit(what: str = "avadclip", needed: int = LIBRARIES_NEED) -> None:
    """Raise ConfigError if this process may use less memory than is needed, in bytes."""
    if sys.platform == "win32":
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise ConfigError(
            f"a process may use {limit / 1e9:.1f} GB of memory here, {what} needs {needed / 1e9:.1f} GB; "
            "raise the limit with `ulimit -v`"
        )


def memory_shortage(problem: BaseException) -> str | None:
    """One line on missing memory, if that is why an error was raised; None for other errors."""
    for cause in _chain(problem):
        reason = (str(cause).splitlines() or [""])[0]
        is_errno = isinstance(cause, OSError) and cause.errno == errno.ENOMEM
        if isinstance(cause, MemoryError) or is_errno or any(sign in str(cause).lower() for sign in SIGNS):
            shown = f" ({reason})" if reason else ""
            return f"not enough memory{shown}; free some, or raise the limit that `ulimit -v` shows"
    return None


def _chain(problem: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from."""
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__
