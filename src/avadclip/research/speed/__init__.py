"""The benchmark of this machine; needs the extra `[bench]`."""

from avadclip.extras import require_extra

require_extra("bench")
