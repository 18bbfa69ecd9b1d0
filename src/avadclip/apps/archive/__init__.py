"""Many videos on many machines; needs the extra `[ray]`."""

import os

from avadclip.extras import require_extra

require_extra("ray")

# Before Ray is imported: it would send usage reports, and replace Python's `print`.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_TQDM_PATCH_PRINT", "0")
