import pytest

from avadclip.report.words import clock, counted


@pytest.mark.parametrize(
    ("seconds", "decimals", "text"),
    [(0, 0, "0:00"), (59.4, 0, "0:59"), (59.96, 1, "1:00.0"), (3599.97, 1, "1:00:00.0"), (3725.25, 2, "1:02:05.25")],
)
def test_clock_never_shows_sixty(seconds: float, decimals: int, text: str) -> None:
    assert clock(seconds, decimals=decimals) == text


def test_counted() -> None:
    assert [counted(number, "event") for number in (0, 1, 2)] == ["no events", "1 event", "2 events"]
