"""Run with `pytest`, once the package is installed."""

from avadclip.testing import check_encoder


def test_colours() -> None:
    check_encoder("colours")
