"""How much memory this process holds."""

import resource
import sys
from pathlib import Path


def resident_bytes() -> int:
    """Resident memory; where the system does not tell, as outside Linux, the largest it ever was."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
