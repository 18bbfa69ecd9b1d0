"""Training of networks; needs the extra `[train]`."""

from avadclip.extras import require_extra

require_extra("train")
