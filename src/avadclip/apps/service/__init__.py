"""Web page and REST API; needs the extra `[serve]`."""

from avadclip.extras import require_extra

require_extra("serve")
