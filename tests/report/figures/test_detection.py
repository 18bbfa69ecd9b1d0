import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avadclip.events import NamedSound, Thresholds
from avadclip.inference.detector import Detection
from avadclip.report.figures.detection import draw_figure, save_figure
from avadclip.report.figures.panels import EVENT_COLOUR, SOUND_COLOUR

MakeDetection = Callable[..., Detection]
XD_CLASSES = ("normal", "fighting", "shooting", "riot", "abuse", "car accident", "explosion")


@pytest.mark.parametrize("num_snippets", [1, 3, 1001])
def test_the_curve_is_flat_over_each_snippet_and_ends_with_the_video(made_up: MakeDetection, num_snippets: int) -> None:
    detection = made_up(num_snippets, quiet=True, with_sound=False)
    curve_axes, map_axes = draw_figure(detection).axes[:2]
    values, edges, _ = curve_axes.patches[-1].get_data()
    assert edges[0] == 0
    assert edges[-1] == detection.track.end_seconds == curve_axes.get_xlim()[1] == map_axes.get_xlim()[1]
    if num_snippets <= 1000:
        assert values == pytest.approx(detection.track.scores)
    else:  # the band under the means reaches every peak
        highest = curve_axes.patches[0].get_data().values
        assert highest.max() == pytest.approx(detection.track.scores.max())


def test_the_one_anomalous_snippet_of_an_hour_is_in_the_class_map(made_up: MakeDetection) -> None:
    detection = made_up(5400, quiet=True)
    scores, probabilities = detection.track.scores, detection.track.class_probabilities
    probabilities[:] = (1, 0)
    scores[4321], probabilities[4321] = 0.99, (0, 1)
    shown = np.asarray(draw_figure(detection).axes[1].collections[0].get_array())
    assert shown.shape == (2, 1000)
    assert shown.max(axis=1) == pytest.approx([1, 1])


def test_every_event_is_shaded_and_names_never_overlap(made_up: MakeDetection) -> None:
    detection = made_up(2000, classes=XD_CLASSES)
    axes = draw_figure(detection).axes[0]
    bars = [line for line in axes.lines if list(line.get_ydata()) == [1.02, 1.02]]
    assert len(bars) == len(detection.events) > 30
    boxes = [text.get_window_extent() for text in axes.texts if text.get_position()[1] == 1.06]
    assert len(boxes) > 3
    assert not any(a.overlaps(b) for index, a in enumerate(boxes) for b in boxes[:index])
    frame = axes.get_window_extent()
    assert all(frame.x0 - 1 <= box.x0 and box.x1 <= frame.x1 + 1 for box in boxes)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "name", ["a$b$c_{.mp4", "\x1b[31m\n.mp4", "\u65e5\u672c.mp4", "\udcff.mp4", "x" * 250 + ".mp4"]
)
def test_any_name_can_be_drawn(made_up: MakeDetection, tmp_path: Path, name: str) -> None:
    detection = made_up(3, source=name, classes=("normal", name[:70]))
    save_figure(dataclasses.replace(detection, model="m$x^$"), tmp_path / "scores.png")
    with Image.open(tmp_path / "scores.png") as picture:
        assert picture.width == 1430


def test_the_title_names_model_and_network(made_up: MakeDetection) -> None:
    words = [text.get_text() for text in draw_figure(made_up(16)).texts]
    assert words == ["model starter, network: picture and sound", "yard.mp4, 11.1 s, 1 event"]


def test_the_score_of_the_picture_alone_is_drawn_too(made_up: MakeDetection) -> None:
    legend = draw_figure(made_up(16)).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["picture and sound", "picture only"]
    assert draw_figure(made_up(16, with_sound=False)).axes[0].get_legend() is None


def test_both_thresholds_are_drawn(made_up: MakeDetection) -> None:
    axes = draw_figure(made_up(16, thresholds=Thresholds(0.41, 0.43))).axes[0]
    levels = {line.get_ydata()[0] for line in axes.lines if line.get_ydata()[0] <= 1}
    assert levels == {0.41, 0.43}
    assert np.diff([text.get_window_extent().y0 for text in axes.texts[:2]])[0] > 5


def test_a_model_without_alarms_has_one_threshold(made_up: MakeDetection) -> None:
    axes = draw_figure(made_up(16, quiet=True, thresholds=Thresholds(0.5, None))).axes[0]
    assert [text.get_text() for text in axes.texts] == ["detection 0.50"]


def test_named_sounds_are_bars_under_the_curve(made_up: MakeDetection) -> None:
    detection = made_up(60, with_named_sounds=True)
    curve, class_map, _, lane = draw_figure(detection).axes
    assert [label.get_text() for label in lane.get_yticklabels()] == ["speech", "glass"]
    spans = [path.get_extents() for bars in lane.collections for path in bars.get_paths()]
    assert [(span.x0, span.x1) for span in spans] == [
        (0, pytest.approx(20)),
        (pytest.approx(20), pytest.approx(64 / 3)),
    ]
    assert curve.get_position().y0 > lane.get_position().y1 > lane.get_position().y0 > class_map.get_position().y1
    assert lane.get_xlim() == curve.get_xlim()
    colours = {
        (line.get_xdata()[0], line.get_color()) for line in curve.lines if list(line.get_ydata()) == [1.02, 1.02]
    }
    assert colours == {
        (event.start, SOUND_COLOUR if event.kind == "sound" else EVENT_COLOUR) for event in detection.events
    }
    assert len(draw_figure(made_up(60)).axes) == 3


@pytest.mark.filterwarnings("error")
def test_sounds_of_any_name_and_number_can_be_drawn(made_up: MakeDetection, tmp_path: Path) -> None:
    names = ["a$b$c_{", "\x1b[31m\n", "x" * 200, *(f"sound {number}" for number in range(20))]
    sounds = tuple(NamedSound(name=name, probability=0.5, start=0.0, end=0.0) for name in names)
    detection = dataclasses.replace(made_up(3), sounds=sounds)
    save_figure(detection, tmp_path / "scores.png")
    assert len(draw_figure(detection).axes[3].get_yticks()) == 8
