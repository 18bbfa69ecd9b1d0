"""The small pictures of docs/evaluation.md: drawn by a script, whose examples are worked by hand here."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from scipy.stats import poisson

REPOSITORY = Path(__file__).parents[3]
PAGE = (REPOSITORY / "docs" / "evaluation.md").read_text()


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measure_pictures", REPOSITORY / "scripts" / "measure_pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(figure: object) -> str:
    return " / ".join(
        text.get_text() for each in (figure, *figure.axes) for text in (*each.texts, *getattr(each, "artists", ()))
    )


def test_the_page_shows_every_picture(pictures: ModuleType) -> None:
    for key in pictures.PICTURES:
        assert f"](images/measure-{key}.png)" in PAGE
        assert (pictures.IMAGES / f"measure-{key}.png").is_file()


def test_pairs(pictures: ModuleType) -> None:
    # Anomalous .9 and .6; normal .3 and .7 in the same video, .6 and .2 in the other: 3 of 4, and 3.5 of 4.
    shown = words(pictures.draw_pairs())
    assert "ROC AUC 81.25 % = 0.5 x 75 % + 0.5 x 87.5 %" in shown
    assert shown.count("in order") == 6


def test_means(pictures: ModuleType) -> None:
    # Each anomalous frame is tied with the two of its own video and above the two of the other: 6 of 8.
    assert "(75 - 50) / (81.25 - 50) = 80 %" in words(pictures.draw_control())


def test_recall(pictures: ModuleType) -> None:
    # Two hours allow 0.2, 2 and 20 false alarms of the four from .9, .8, .7 and .6; fights are found from .95 .. .2.
    shown = words(pictures.draw_recall())
    for each in ("0.1 an hour: recall 25 %", "1 an hour: recall 50 %", "10 an hour: recall 100 %"):
        assert f"at most {each}" in shown


def test_latency(pictures: ModuleType) -> None:
    # As tests/evaluation/metrics/test_latency.py works it out.
    in_time = (2 * 2 / 3 + 3 / 5 + 4 / 7 + 5 / 8) / 5
    # The score itself: .9 first, .8 false, .6 two of three, .5 false, .4 three of five, .3 false, .2 and .1.
    plain = (1 + 2 / 3 + 3 / 5 + 4 / 7 + 5 / 8) / 5
    assert f"AP {100 * plain:.2f} %, AP(2 s) {100 * in_time:.2f} %" in words(pictures.draw_latency())


def test_hard(pictures: ModuleType) -> None:
    # Four hours allow four false alarms: two of them in the one hard hour.
    shown = words(pictures.draw_hard())
    assert "hard: 2.00 an hour\n[0.24, 7.22]" in shown
    assert "other normal time: 0.67 an hour" in shown
    assert poisson.sf(1, 0.2422) == pytest.approx(0.025, abs=1e-4)
    assert poisson.cdf(2, 7.2247) == pytest.approx(0.025, abs=1e-4)
