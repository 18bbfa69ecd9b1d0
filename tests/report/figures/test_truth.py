from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from avadclip.data.bags import Bag, Interval
from avadclip.events import ScoreTrack, Thresholds
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.scorers import Verdict
from avadclip.inference.scoring import SnippetScores
from avadclip.report.figures.panels import write_figure
from avadclip.report.figures.truth import Baseline, draw_against_truth, write_truth_figures
from avadclip.timeline import SnippetGrid

CLASSES = ("normal", "fighting", "riot")
SCORES = np.array([0.1, 0.9, 0.8, 0.2], dtype=np.float32)
RIVAL = np.array([0.4, 0.5, 0.6, 0.3], dtype=np.float32)
PROBABILITIES = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1], [0.9, 0.0, 0.1]], dtype=np.float32)


def draw(intervals: tuple[Interval, ...] | None = (), baseline: Baseline | None = None) -> Figure:
    track = ScoreTrack(SCORES, PROBABILITIES, CLASSES, 2 / 3, 2.8)
    return draw_against_truth(track, intervals, video="yard.mp4", name="guard: teacher", baseline=baseline)


def test_curve_truth_baseline_and_map_share_one_time_axis() -> None:
    figure = draw((Interval("fighting", 0.7, 2.0),), Baseline("rival", RIVAL))
    curve, class_map = figure.axes[:2]
    assert curve.get_xlim() == class_map.get_xlim() == (0, 2.8)
    spans = [patch for patch in curve.patches if hasattr(patch, "get_x")]
    assert [(span.get_x(), span.get_x() + span.get_width()) for span in spans] == [(0.7, 2.0)]
    drawn = {patch.get_label(): patch for patch in curve.patches if hasattr(patch, "get_data")}
    assert drawn["guard: teacher"].get_data().values == pytest.approx(SCORES)
    assert drawn["rival"].get_data().values == pytest.approx(RIVAL)
    assert drawn["rival"].get_edgecolor() != drawn["guard: teacher"].get_edgecolor()
    assert np.asarray(class_map.collections[0].get_array()) == pytest.approx(PROBABILITIES.T)


def test_labels_name_the_shading_and_the_curves() -> None:
    figure = draw((Interval("fighting", 0.7, 2.0),), Baseline("rival", RIVAL))
    assert [text.get_text() for text in figure.texts] == [
        "guard: teacher",
        "yard.mp4, 2.8 s, 1 annotated interval, shaded",
    ]
    assert [text.get_text() for text in figure.axes[0].texts] == ["fighting"]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["guard: teacher", "rival"]


def test_a_normal_video_is_labelled_as_not_annotated() -> None:
    figure = draw()
    assert figure.texts[1].get_text() == "yard.mp4, 2.8 s, normal: no annotated interval"
    assert figure.axes[0].get_legend() is None


def test_a_video_without_times_is_not_called_normal() -> None:
    assert draw(None).texts[1].get_text() == "yard.mp4, 2.8 s, times not annotated"


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")])
def test_the_suffix_decides_the_format_and_two_runs_agree(tmp_path: Path, suffix: str, start: bytes) -> None:
    for name in ("a", "b"):
        write_figure(draw((Interval("riot", 0.0, 1.0),)), tmp_path / f"{name}{suffix}")
    first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("a", "b"))
    assert first.startswith(start)
    assert first == second


class Fixed:
    """Says the same of every video."""

    classes = CLASSES

    def __init__(self, name: str, scores: np.ndarray) -> None:
        self.name = name
        self._scores = SnippetScores(scores, PROBABILITIES)

    def judge(self, features: SnippetFeatures) -> Verdict:
        network = "visual student" if features.audio is None else "teacher"
        return Verdict(network, "visual", "", self._scores, None, None, Thresholds(0.5, None))


def test_every_video_gets_a_picture_named_like_it(tmp_path: Path) -> None:
    held = SnippetFeatures(np.zeros((1, 4, 2), np.float32), None, 2.8, provenance=None)
    targets = np.array([0, 1, 0], dtype=np.float32)
    bags = [Bag(name, name, held, targets, (Interval("fighting", 0.7, 2.0),)) for name in ("day/yard.mp4", "hall")]
    rival = Fixed("rival", RIVAL)
    write_truth_figures(tmp_path, bags, Fixed("guard", SCORES), SnippetGrid(), baseline=rival)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["day_yard.mp4.png", "hall.png"]
    with Image.open(tmp_path / "hall.png") as picture:
        assert picture.width == 1430
