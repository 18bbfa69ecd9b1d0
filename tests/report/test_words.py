import pytest

from avadclip.inference.checkpoint import SHIPPED
from avadclip.report.words import DEMONSTRATION_MODELS, clock, counted, describe_network, network_words


@pytest.mark.parametrize(
    ("seconds", "decimals", "text"),
    [(0, 0, "0:00"), (59.4, 0, "0:59"), (59.96, 1, "1:00.0"), (3599.97, 1, "1:00:00.0"), (3725.25, 2, "1:02:05.25")],
)
def test_clock_never_shows_sixty(seconds: float, decimals: int, text: str) -> None:
    assert clock(seconds, decimals=decimals) == text


def test_counted() -> None:
    assert [counted(number, "event") for number in (0, 1, 2)] == ["no events", "1 event", "2 events"]


def test_only_the_papers_networks_get_other_words():
    assert network_words("teacher") == "picture and sound"
    assert network_words("audio student") == "sound only"
    assert network_words("both students") == "picture or sound"
    assert network_words("ur-dmu") == "ur-dmu"


def test_a_network_is_described_without_repeating_its_words():
    assert describe_network("teacher", "the file has picture and sound") == "picture and sound (the file has both)"
    assert describe_network("visual student", "no sound track") == "picture only (no sound track)"
    assert describe_network("ur-dmu", "ur-dmu has no other") == "ur-dmu (ur-dmu has no other)"


def test_every_shipped_model_is_called_a_demonstration() -> None:
    assert set(DEMONSTRATION_MODELS) == set(SHIPPED)
