"""Named sounds on the page, in a real browser."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avadclip.events import NamedSound
from avadclip.inference.detector import Detection
from avadclip.report.page_folder import write_page

from .conftest import Opened, until

pytestmark = pytest.mark.system

MakeDetection = Callable[..., Detection]


class Lane:
    """The lane of named sounds in the chart of an open page."""

    def __init__(self, opened: Opened) -> None:
        self.names = opened.tab.locator("#chart .y3tick text").all_text_contents()
        self.bars = [bar.bounding_box() for bar in opened.tab.locator("#chart .xy3 .bars path").all()]
        self.area = opened.tab.locator("#chart .nsewdrag[data-subplot='xy3']").bounding_box()

    def times(self, end_seconds: float) -> list[tuple[float, float]]:
        """Start and end of every bar, from where it is drawn."""
        scale = end_seconds / self.area["width"]
        starts = [(bar["x"] - self.area["x"]) * scale for bar in self.bars]
        return [(start, start + bar["width"] * scale) for start, bar in zip(starts, self.bars, strict=True)]


@pytest.fixture
def open_sounds(
    made_up: MakeDetection, open_page: Callable[..., Opened], tmp_path: Path
) -> Callable[[tuple[NamedSound, ...] | None], Opened]:
    """Opens a page of 40.4 s without its video, with these sounds, and glass throughout the model's first event."""

    def open_with(sounds: tuple[NamedSound, ...] | None) -> Opened:
        made = made_up(60, with_named_sounds=True)
        glass, *others = sorted(made.events, key=lambda event: event.kind == "model")
        during = glass.model_copy(update={"start": others[0].start, "end": others[0].end})
        detection = dataclasses.replace(made, sounds=sounds, events=(others[0], during, *others[1:]))
        return open_page(write_page(detection, tmp_path / "yard", video=None))

    return open_with


def named(name: str, probability: float, start: float, end: float) -> NamedSound:
    return NamedSound(name=name, probability=probability, start=start, end=end)


def test_sounds_are_bars_in_a_row_per_name(open_sounds: Callable[..., Opened]) -> None:
    spoken, glass, again = named("Speech", 0.82, 0, 12), named("Glass", 0.91, 20, 21.5), named("Speech", 0.3, 30, 38)
    opened = open_sounds((spoken, glass, again))
    lane = Lane(opened)
    assert lane.names == ["Glass", "Speech"]
    pixel = 40.4 / lane.area["width"]
    assert np.array(lane.times(40.4)) == pytest.approx(np.array([(0, 12), (20, 21.5), (30, 38)]), abs=3 * pixel)
    rows = [int((bar["y"] + bar["height"] / 2 - lane.area["y"]) / lane.area["height"] * 2) for bar in lane.bars]
    assert rows == [1, 0, 1]
    assert "Sounds: speech; 0:20 glass" in opened.tab.locator(".sound-summary").inner_text()
    opened.tab.mouse.move(lane.area["x"] + 34 / pixel, lane.bars[2]["y"] + 4)
    hover = opened.tab.locator("#chart .hoverlayer .hovertext")
    until(lambda: hover.count() and hover.text_content() == "Speech 0.30 at 0:30.0 \N{EN DASH} 0:38.0")
    opened.tab.mouse.click(lane.area["x"] + 5 / pixel, lane.area["y"] + 5)
    until(lambda: abs(opened.cursor_seconds(40.4) - 5) < 0.1)


def test_the_lane_zooms_with_the_curve(open_sounds: Callable[..., Opened]) -> None:
    opened = open_sounds((named("Speech", 0.82, 12, 16),))
    area = Lane(opened).area
    second, middle = area["width"] / 40.4, area["y"] + area["height"] / 2
    opened.tab.mouse.move(area["x"] + 10 * second, middle)
    opened.tab.mouse.down()
    opened.tab.mouse.move(area["x"] + 20 * second, middle, steps=4)
    opened.tab.mouse.up()
    until(lambda: Lane(opened).times(10) == [(pytest.approx(2, abs=0.1), pytest.approx(6, abs=0.1))])
    curve = "(({_fullLayout}) => _fullLayout.xaxis.range)(document.getElementById('chart'))"
    assert opened.tab.evaluate(curve) == pytest.approx([10, 20], abs=0.1)


@pytest.mark.parametrize("sounds", [None, ()])
def test_without_sounds_there_is_no_lane(
    open_sounds: Callable[..., Opened], sounds: tuple[NamedSound, ...] | None
) -> None:
    opened = open_sounds(sounds)
    assert opened.tab.locator("#chart .y3tick, #chart .xy3, .sound-summary").count() == 0
    assert opened.chart_is_whole()


def test_names_of_sounds_are_text_and_the_lane_has_the_eight_most_probable(open_sounds: Callable[..., Opened]) -> None:
    evil = "<img src=x onerror=alert(1)>\"'&amp;<b>"
    many = [named(f"Sound {number}", 0.3 + number / 20, number, number + 1) for number in range(9)]
    opened = open_sounds((*many, named(evil, 0.9, 0, 40)))
    lane = Lane(opened)
    assert lane.names == ["<img src=x onerro…", *(f"Sound {number}" for number in range(8, 1, -1))]
    opened.tab.mouse.move(lane.bars[-1]["x"] + 30, lane.bars[-1]["y"] + 4)
    hover = opened.tab.locator("#chart .hoverlayer .hovertext")
    until(lambda: hover.count() and evil in hover.text_content())
    assert opened.tab.locator("img[src=x], #chart b").count() == 0


def test_events_of_sounds_are_told_apart_and_stay_at_any_threshold(open_sounds: Callable[..., Opened]) -> None:
    opened = open_sounds((named("Glass", 0.71, 20, 21.333),))
    heard = opened.tab.locator("#event-list > .sound")
    for threshold in (0.5, 0.9, 0.995):
        opened.tab.locator("#threshold").fill(str(threshold))
        assert heard.locator(".event-label").all_inner_texts() == ["glass"]
        assert heard.locator(".badge").inner_text() == "sound"
        assert heard.locator(".event-sounds").inner_text() == "Glass 0.71"
        bands = opened.tab.evaluate(
            "document.getElementById('chart').layout.shapes.filter(s => s.type === 'rect').map(s => s.fillcolor)"
        )
        assert len(bands) == len(opened.list())
        sound = opened.tab.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--sound')")
        assert bands.count(sound) == 1
    assert opened.tab.locator("#event-list > li").count() == 1
    heard.get_by_role("button", name="False alarm").click()
    opened.tab.get_by_role("button", name="Reset").click()
    assert opened.tab.locator(".verdict[aria-pressed=true]").count() == 1
