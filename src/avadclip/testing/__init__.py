"""Checks for the authors of plug-ins, to run in their own tests.

Each takes the name under which users will name the plug-in, whose package is installed, and needs no test framework:

    from avadclip.testing import check_encoder

    def test_brightness() -> None:
        check_encoder("brightness")
"""

from avadclip.testing.encoders import check_encoder
from avadclip.testing.sinks import check_sink
from avadclip.testing.systems import check_system

__all__ = ["check_encoder", "check_sink", "check_system"]
