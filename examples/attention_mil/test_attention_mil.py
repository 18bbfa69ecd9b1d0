"""Run with `pytest`, once the package is installed."""

from avadclip.testing import check_system


def test_attention_mil() -> None:
    check_system("attention-mil")
