"""The page in a real browser, from disk."""

import csv
import dataclasses
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from avadclip.data.label_csv import read_label_csv
from avadclip.events import EventRules, NamedSound, ScoreTrack, Thresholds, best_anomaly_class, find_spans, mean_gain
from avadclip.inference.detector import Detection
from avadclip.media.probe import probe
from avadclip.report.exports import to_document
from avadclip.report.html import PageMedia, PagePlaces, render_page
from avadclip.report.page_folder import write_index, write_page

pytestmark = pytest.mark.system

MakeDetection = Callable[..., Detection]
REPOSITORY = Path(__file__).parents[2]
GAINS = ("sound", "picture")
HOSTILE = "a\"b'<img src=x>&amp; #1%20.mp4"


def until(read: Callable[[], Any], *, seconds: float = 15) -> Any:
    """What `read` gives once it is true; the page's policy forbids Playwright's own way of waiting."""
    deadline = time.monotonic() + seconds
    while not (value := read()):
        assert time.monotonic() < deadline, "the page did not get there"
        time.sleep(0.02)
    return value


class Opened:
    """A page in the browser, and how its reader acts on it."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab

    @property
    def seconds(self) -> float:
        return float(self.tab.evaluate("document.getElementById('video').currentTime"))

    def settle(self) -> float:
        """The time on the player's clock, once it has gone where it was sent."""
        until(lambda: self.tab.evaluate("(v => v.readyState >= 2 && !v.seeking)(document.getElementById('video'))"))
        return self.seconds

    def click_at(self, seconds: float, end_seconds: float, *, row: float = 0.5) -> None:
        """Click into the score curve, or with row above 1 below it."""
        area = self.tab.locator("#chart .nsewdrag").first.bounding_box()
        self.tab.mouse.click(area["x"] + seconds / end_seconds * area["width"], area["y"] + row * area["height"])

    def cursor_seconds(self, end_seconds: float) -> float:
        area = self.tab.locator("#chart .nsewdrag").first.bounding_box()
        line = self.tab.locator("#cursor").bounding_box()
        return float((line["x"] + line["width"] / 2 - area["x"]) / area["width"] * end_seconds)

    def list(self) -> list[dict[str, Any]]:
        """Events as the list shows them."""
        return [
            {
                "label": item.locator(".event-label").inner_text(),
                "times": item.locator(".event-times").inner_text(),
                "score": item.locator(".event-number-score").inner_text(),
                "alert": item.locator(".badge").count() == 1,
            }
            for item in self.tab.locator("#event-list > li").all()
        ]

    def drawn_box(self, element: Any) -> dict[str, float]:
        """The box of an element of the chart, which draws its ticks anew while a window changes its size."""
        for _ in range(50):
            box = element.bounding_box()
            if box is not None:
                return dict(box)
            self.tab.wait_for_timeout(100)
        pytest.fail("an element of the chart is not drawn")

    def chart_is_whole(self) -> bool:
        """Nothing of it is cut off."""
        drawn = self.tab.locator("#chart .main-svg").first.bounding_box()
        frame = self.tab.locator(".chart-frame").bounding_box()
        times = self.drawn_box(self.tab.locator("#chart .xtick text").last)
        bottom = frame["y"] + frame["height"]
        return bool(drawn["y"] + drawn["height"] <= bottom + 1 and times["y"] + times["height"] <= bottom)

    def grey(self) -> int:
        """Of the picture shown, above the player's controls."""
        shot = Image.open(BytesIO(self.tab.locator("#video").screenshot())).convert("L")
        return int(np.asarray(shot)[: shot.height // 3].mean())


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Opens pages; afterwards none may have complained, or asked for anything that is not a file on this disk."""
    contexts, complaints, requests = [], [], []

    def open_one(page: Path, fragment: str = "", **options: Any) -> Opened:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 1300}, **options})
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text) if message.type != "log" else None)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(page.as_uri() + fragment)
        tab.wait_for_selector("#chart[data-ready]")
        return Opened(tab)

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture(scope="session")
def yard(detection_of: MakeDetection, clock_video: Path) -> Detection:
    detection = detection_of(clock_video, notes=("audio starts 1.48 s after the video",))
    assert len(detection.events) >= 2
    return detection


LOUD = (
    NamedSound(name="Speech", probability=0.82, start=0.0, end=30.0),
    NamedSound(name="Gunshot, gunfire", probability=0.4, start=12.0, end=13.0),
    NamedSound(name="<script>document.title='broken'</script>", probability=0.3, start=20.0, end=40.0),
    NamedSound(name="Gunshot, gunfire", probability=0.91, start=8.0, end=10.0),
)


@pytest.fixture(scope="session")
def loud(yard: Detection) -> Detection:
    """The yard with named sounds, one of them an event whose snippet of the highest score is that of another event."""
    first = yard.events[0]
    changes = {"kind": "sound", "label": "gunshot", "severity": "detection", "modality": "audio", "sound_gain": None}
    alone = first.model_copy(update={**changes, "score": 0.91, "sounds": (LOUD[3], LOUD[2])})
    spoken = first.model_copy(update={"sounds": (LOUD[0],)})
    return dataclasses.replace(yard, events=(spoken, alone, *yard.events[1:]), sounds=LOUD)


def write_pages(detection: Detection, video: Path, root: Path) -> Path:
    """The page of a detection, with its index beside it."""
    page = write_page(detection, root / "yard", video=video)
    write_index(root)
    return page


@pytest.fixture(scope="session")
def loud_page(loud: Detection, clock_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pages(loud, clock_video, tmp_path_factory.mktemp("loud"))


def bars(opened: Opened) -> list[dict[str, float]]:
    """Boxes of the bars of sounds, in the order of LOUD."""
    return [dict(bar.bounding_box()) for bar in opened.tab.locator("#chart .barlayer .point path").all()]


def test_named_sounds_are_bars_on_the_time_axis(loud_page: Path, open_page: Callable[..., Opened]) -> None:
    opened = open_page(loud_page)
    curve = opened.tab.locator("#chart .nsewdrag").first.bounding_box()
    per_second = curve["width"] / 40
    for bar, sound in zip(bars(opened), LOUD, strict=True):
        assert bar["x"] == pytest.approx(curve["x"] + sound.start * per_second, abs=3)
        assert bar["width"] == pytest.approx((sound.end - sound.start) * per_second, abs=5)  # with its outline
        assert bar["y"] > curve["y"] + curve["height"]
    speech, late_shot, script, shot = bars(opened)
    assert shot["y"] == late_shot["y"] < speech["y"] < script["y"]  # the most probable name on top
    assert opened.tab.locator("#chart .y3tick text").all_text_contents() == ["gunshot", "speech", "<script>document.…"]
    assert opened.tab.title() == "yard.mp4 · avadclip"
    about = opened.tab.locator(".about").inner_text()
    assert "speech, <script>document.title='broken'</script>; 0:08 gunshot; 0:12 gunshot" in about
    assert "0:08 gunshot" in (opened.tab.locator("#chart").get_attribute("aria-label") or "")
    for width in (320, 1280):
        opened.tab.set_viewport_size({"width": width, "height": 800})
        until(lambda: opened.tab.locator("#chart .main-svg").first.bounding_box()["width"] < width)  # noqa: B023
        assert opened.chart_is_whole()


def test_a_bar_tells_its_sound_and_seeks(loud_page: Path, open_page: Callable[..., Opened]) -> None:
    opened = open_page(loud_page)
    opened.settle()
    for index, words in (
        (3, "Gunshot, gunfire 0.91, 0:08.0 \u2013 0:10.0"),
        (2, f"{LOUD[2].name} 0.30, 0:20.0 \u2013 0:40.0"),
    ):
        bar = bars(opened)[index]
        opened.tab.mouse.move(bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] / 2)
        hover = opened.tab.locator("#chart .hoverlayer .hovertext")
        until(lambda: hover.count() == 1 and hover.text_content() == words)  # noqa: B023
        opened.tab.mouse.click(bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] / 2)
        assert opened.settle() == pytest.approx((LOUD[index].start + LOUD[index].end) / 2, abs=0.1)


def test_sounds_zoom_with_the_curve(loud_page: Path, open_page: Callable[..., Opened]) -> None:
    opened = open_page(loud_page)
    before = bars(opened)[3]["width"]
    opened.tab.evaluate("Plotly.relayout(document.getElementById('chart'), { 'xaxis.range': [5, 15] })")
    until(lambda: abs(bars(opened)[3]["width"] - 4 * before) < 20)


def test_a_page_without_named_sounds_has_no_lane(yard_page: Path, open_page: Callable[..., Opened]) -> None:
    opened = open_page(yard_page)
    assert opened.tab.locator("#chart .barlayer, #chart .y3tick").count() == 0
    assert opened.tab.locator(".event-sounds, .badge.sound").count() == 0


def test_a_result_from_before_named_sounds_has_a_page(
    yard: Detection, yard_page: Path, open_page: Callable[..., Opened], tmp_path: Path
) -> None:
    document = to_document(yard, include_scores=True)
    for part in (document, *document["events"]):
        for key in ("sounds", "sound_summary", "kind"):
            part.pop(key, None)
    page = tmp_path / "yard.html"
    assets = f"{(yard_page.parent.parent / 'assets').as_uri()}/"
    page.write_text(render_page(document, PageMedia(None), PagePlaces(assets=assets)))
    assert len(open_page(page).list()) == len(yard.events)


def test_the_list_marks_events_of_sounds_and_names_sounds(
    loud: Detection, loud_page: Path, open_page: Callable[..., Opened]
) -> None:
    opened = open_page(loud_page)
    items = opened.tab.locator("#event-list > li")
    assert items.nth(0).locator(".event-sounds").inner_text() == "sounds: speech 0.82"
    assert items.nth(1).locator(".badge").inner_text() == "sound"
    assert items.nth(1).locator(".event-sounds").inner_text() == f"sounds: gunshot 0.91, {LOUD[2].name} 0.30"
    assert "Event 2: gunshot" in (items.nth(1).locator(".event-choose").get_attribute("aria-label") or "")
    items.nth(1).get_by_role("button", name="Real").click()
    assert opened.tab.locator("[aria-pressed=true]").count() == 1, "two events of one moment have verdicts of their own"
    bands = opened.tab.evaluate(
        "document.getElementById('chart').layout.shapes.filter(s => s.type === 'rect').map(s => s.fillcolor)"
    )
    assert [colour != bands[0] for colour in bands] == [event.kind == "sound" for event in loud.events]


def test_an_event_of_a_sound_is_told_from_another_at_its_time(
    loud_page: Path, open_page: Callable[..., Opened]
) -> None:
    opened = open_page(loud_page)
    opened.settle()
    items = opened.tab.locator("#event-list > li")
    items.nth(1).locator(".event-choose").click()
    opened.settle()
    until(lambda: items.nth(1).get_attribute("aria-current") == "true")
    assert items.nth(0).get_attribute("aria-current") is None
    assert opened.tab.locator("#events-count").inner_text().endswith(", 1 by sound")
    numbers = opened.tab.locator("#chart .annotation-text")
    first, second = (numbers.get_by_text(number, exact=True).bounding_box() for number in ("1", "2"))
    assert first["y"] + first["height"] <= second["y"]


def test_events_of_sounds_stay_at_every_threshold_of_the_score(
    loud: Detection, loud_page: Path, open_page: Callable[..., Opened]
) -> None:
    opened = open_page(loud_page)
    for threshold in (0.25, 1):
        opened.tab.locator("#threshold").fill(str(threshold))
        wanted = python_events(loud.track, EventRules(threshold), loud.thresholds.alert)
        assert sorted(row["label"] for row in opened.list()) == sorted(
            [*(event["label"] for event in wanted), "gunshot"]
        )
    opened.tab.locator("#threshold").fill("0.01")
    longest = max(opened.tab.locator(".event-sounds").all_inner_texts(), key=len)
    assert longest == f"sounds: gunshot 0.91, speech 0.82, {LOUD[2].name} 0.30"


@pytest.fixture(scope="session")
def yard_page(yard: Detection, clock_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pages(yard, clock_video, tmp_path_factory.mktemp("pages"))


def python_events(
    track: ScoreTrack,
    rules: EventRules,
    alert: float | None,
    students: tuple[ScoreTrack | None, ScoreTrack | None] = (None, None),
) -> list[dict[str, Any]]:
    """What events.py says of a track, in the terms of the page's events."""
    edges = track.boundaries()
    found = []
    for span in find_spans(track, rules):
        score = float(track.scores[span[0] : span[1]].max())
        severity = Thresholds(rules.threshold, alert).severity(score)
        times = {"start": float(edges[span[0]]), "end": float(edges[span[1]])}
        gains = {f"{name}_gain": mean_gain(track, student, span) for name, student in zip(GAINS, students, strict=True)}
        label = best_anomaly_class(track, span)
        found.append({"label": label, **times, "score": score, "severity": severity, **gains})
    return found


def random_document(random: np.random.Generator, yard: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """Scores on a grid that thresholds lie on too, so that equality happens; every rule at random."""
    count = int(random.integers(1, 60))
    grid = int(random.choice([10, 100, 1_000_000]))
    seconds = float(random.choice([2 / 3, 0.5, 1 / 6, 1.0]))
    scores = np.round(np.clip(np.cumsum(random.normal(0, 0.25, count)) % 1.2, 0, 1) * grid) / grid
    rules = {
        "min_seconds": float(random.choice([0, 0.5, 1, 2 / 3])),
        "merge_gap_seconds": float(random.choice([0, 0.5, 1, 2, 4 / 3])),
        "release_share": float(random.choice([0.8, 1, 0.5])),
    }
    track = {
        "snippet_seconds": seconds,
        "end_seconds": count * seconds + float(random.choice([0, 0.1, 0.4])),
        "anomaly": scores.tolist(),
        "class_probabilities": random.dirichlet(np.ones(3), size=count).tolist(),
        "visual_student": random.random(count).tolist() if random.random() < 0.5 else None,
        "audio_student": random.random(count).tolist() if random.random() < 0.5 else None,
    }
    alert = [None, 0.8, 0.9][random.integers(3)]
    document = {**yard, "rules": rules, "scores": track, "thresholds": {"detection": 0.5, "alert": alert}}
    return document, float(random.integers(0, grid + 1) / grid)


def test_the_page_cuts_events_as_python_does(
    yard: Detection, yard_page: Path, open_page: Callable[..., Opened]
) -> None:
    random = np.random.default_rng(7)
    base = to_document(yard, include_scores=True)
    cases = [random_document(random, base) for _ in range(600)]
    shown = open_page(yard_page).tab.evaluate(
        "cases => cases.map(([document_, threshold]) => avadclip.events.cutEvents(document_, threshold))", cases
    )
    num_events = 0
    for (document, threshold), events in zip(cases, shown, strict=True):
        scores, alert = document["scores"], document["thresholds"]["alert"]
        track = ScoreTrack(
            np.asarray(scores["anomaly"], np.float32),
            np.asarray(scores["class_probabilities"], np.float32),
            tuple(document["classes"]),
            scores["snippet_seconds"],
            scores["end_seconds"],
        )
        students = [
            None if scores[name] is None else dataclasses.replace(track, scores=np.asarray(scores[name], np.float32))
            for name in ("visual_student", "audio_student")
        ]
        wanted = python_events(track, EventRules(threshold, **document["rules"]), alert, (students[0], students[1]))
        exact, rounded = ("label", "start", "end", "severity"), ("score", "sound_gain", "picture_gain")
        assert [[event[key] for key in exact] for event in events] == [
            [event[key] for key in exact] for event in wanted
        ]
        for event, same in zip(events, wanted, strict=True):
            assert [event[key] for key in rounded] == pytest.approx([same[key] for key in rounded], abs=1e-6)
        num_events += len(events)
    assert num_events > 1000


def test_the_list_shows_the_events_that_were_found(
    yard: Detection, yard_page: Path, open_page: Callable[..., Opened]
) -> None:
    opened = open_page(yard_page)
    assert [(row["label"], row["score"], row["alert"]) for row in opened.list()] == [
        (event.label, f"{event.score:.2f}", event.severity == "alert") for event in yard.events
    ]
    pictures = opened.tab.locator("#event-list img")
    pictures.last.scroll_into_view_if_needed()
    until(lambda: pictures.evaluate_all("all => all.every(one => one.naturalWidth === 320)"))
    assert pictures.count() == len(yard.events)
    gains = [f"sound raised the score by {event.sound_gain:.2f}" for event in yard.events]
    assert opened.tab.locator(".event-gain").all_inner_texts() == gains
    about = opened.tab.locator(".about").inner_text()
    assert "picture and sound" in about
    assert "audio starts 1.48 s after the video" in about


def test_the_slider_cuts_the_events_again(yard: Detection, yard_page: Path, open_page: Callable[..., Opened]) -> None:
    opened = open_page(yard_page)
    before = opened.list()
    for threshold in (0.25, 0.9, 0.005):
        opened.tab.locator("#threshold").fill(str(threshold))
        wanted = python_events(yard.track, EventRules(threshold), yard.thresholds.alert)
        assert [(row["label"], row["score"]) for row in opened.list()] == [
            (event["label"], f"{event['score']:.2f}") for event in wanted
        ]
        bands = opened.tab.evaluate(
            "document.getElementById('chart').layout.shapes.filter(s => s.type === 'rect').length"
        )
        assert bands == len(wanted)
        assert opened.tab.locator("#threshold-value").inner_text() == f"{threshold:.3f}"
    opened.tab.get_by_role("button", name="Reset").click()
    assert opened.list() == before


def test_a_click_anywhere_in_the_chart_seeks(yard_page: Path, open_page: Callable[..., Opened]) -> None:
    opened = open_page(yard_page)
    opened.settle()
    for seconds, row in ((10.1, 0.5), (31.1, 0.05), (5.1, 1.2)):
        opened.click_at(seconds, 40, row=row)
        assert opened.settle() == pytest.approx(seconds, abs=0.06)
        assert opened.cursor_seconds(40) == pytest.approx(seconds, abs=0.06)


def test_a_click_on_an_event_shows_its_first_picture(
    yard: Detection, clock_grey: Callable[[float], int], yard_page: Path, open_page: Callable[..., Opened]
) -> None:
    opened = open_page(yard_page)
    opened.settle()
    opened.tab.locator(".event-choose").nth(1).click()
    assert opened.settle() == pytest.approx(yard.events[1].start, abs=0.001)
    until(lambda: abs(opened.grey() - clock_grey(yard.events[1].start)) <= 3)
    assert opened.tab.locator("#event-list > li[aria-current]").count() == 1


def test_the_cursor_follows_playback(yard_page: Path, open_page: Callable[..., Opened]) -> None:
    opened = open_page(yard_page)
    opened.settle()
    opened.tab.keyboard.press("Space")
    until(lambda: opened.seconds > 0.6)
    assert opened.cursor_seconds(40) > 0.3
    opened.tab.keyboard.press("Space")
    assert opened.tab.evaluate("document.getElementById('video').paused")
    stopped = opened.settle()
    until(lambda: abs(opened.cursor_seconds(40) - stopped) < 0.06)


def test_keys_step_and_go_from_event_to_event(
    yard: Detection, yard_page: Path, open_page: Callable[..., Opened]
) -> None:
    opened = open_page(yard_page)
    opened.settle()
    starts = [event.start for event in yard.events]
    visited = []
    for key in [*["n"] * (len(starts) + 1), *["p"] * len(starts)]:
        opened.tab.keyboard.press(key)
        visited.append(opened.settle())
    last = starts[-1]
    assert visited == pytest.approx([*starts, last, *reversed(starts[:-1]), starts[0]], abs=0.001)
    opened.tab.keyboard.press("ArrowRight")
    assert opened.settle() == pytest.approx(starts[0] + 5, abs=0.001)
    opened.tab.locator("#video").focus()  # the player has arrow keys of its own
    opened.tab.keyboard.press("ArrowLeft")
    assert opened.settle() == pytest.approx(starts[0], abs=0.001)
    slider = opened.tab.locator("#threshold")
    slider.focus()
    opened.tab.keyboard.press("ArrowRight")
    assert float(slider.input_value()) == pytest.approx(0.505)
    assert opened.seconds == pytest.approx(starts[0], abs=0.001)


def test_an_address_leads_to_a_moment_and_back(yard_page: Path, open_page: Callable[..., Opened]) -> None:
    opened = open_page(yard_page, "#t=12.3")
    assert opened.settle() == pytest.approx(12.3, abs=0.001)
    assert opened.cursor_seconds(40) == pytest.approx(12.3, abs=0.06)
    opened.click_at(20, 40)
    until(lambda: abs(float(opened.tab.evaluate("location.hash").removeprefix("#t=")) - 20) <= 0.1)
    opened.tab.evaluate("location.hash = '#t=3'")
    until(lambda: abs(opened.seconds - 3) < 0.001)


def saved_labels(opened: Opened, path: Path) -> Path:
    with opened.tab.expect_download() as download:
        opened.tab.get_by_role("button", name="Save labels").click()
    assert download.value.suggested_filename.endswith("-labels.csv")
    download.value.save_as(path)
    return path


def test_a_video_of_false_alarms_becomes_normal(
    yard: Detection, yard_page: Path, open_page: Callable[..., Opened], tmp_path: Path
) -> None:
    opened = open_page(yard_page)
    save = opened.tab.get_by_role("button", name="Save labels")
    buttons = opened.tab.get_by_role("button", name="False alarm")
    for index in range(buttons.count()):
        assert save.is_disabled(), "one event without a verdict says nothing of the video"
        buttons.nth(index).click()
    buttons.last.click()  # a second press takes the verdict back
    assert save.is_disabled()
    buttons.last.click()
    opened.tab.reload()
    opened.tab.wait_for_selector("#chart[data-ready]")
    (video,) = read_label_csv(saved_labels(opened, tmp_path / "labels.csv"))
    assert (video.video, video.labels, video.intervals) == (yard.source, ("normal",), ())


def test_real_events_become_labels_with_their_times(
    yard: Detection, yard_page: Path, open_page: Callable[..., Opened], tmp_path: Path
) -> None:
    opened = open_page(yard_page)
    first, *others = yard.events
    opened.tab.get_by_role("button", name="Real").first.click()
    (video,) = read_label_csv(saved_labels(opened, tmp_path / "some.csv"))
    assert (video.labels, video.intervals) == ((first.label,), None)
    for index in range(1, len(others) + 1):
        opened.tab.get_by_role("button", name="False alarm").nth(index).click()
    (video,) = read_label_csv(saved_labels(opened, tmp_path / "all.csv"))
    (interval,) = video.intervals
    assert (interval.label, interval.start, interval.end) == (
        first.label,
        pytest.approx(first.start, abs=0.001),
        pytest.approx(first.end, abs=0.001),
    )


def test_a_file_that_browsers_cannot_play_plays_as_a_copy(
    detection_of: MakeDetection,
    clock_grey: Callable[[float], int],
    hevc_video: Path,
    open_page: Callable[..., Opened],
    tmp_path: Path,
) -> None:
    page = write_page(detection_of(hevc_video), tmp_path / "yard", video=hevc_video)
    opened = open_page(page, "#t=23.5")
    assert opened.settle() == pytest.approx(23.5, abs=0.001)
    until(lambda: abs(opened.grey() - clock_grey(23.5)) <= 3)
    assert "H.264 copy" in opened.tab.locator(".note").inner_text()
    assert "hevc in matroska" in opened.tab.locator(".note").inner_text()
    opened.tab.keyboard.press("Space")
    until(lambda: opened.seconds > 24)


def test_a_picture_that_begins_after_the_sound_stays_with_its_scores(
    detection_of: MakeDetection,
    late_video: Path,
    clock_grey: Callable[[float], int],
    open_page: Callable[..., Opened],
    tmp_path: Path,
) -> None:
    opened = open_page(write_page(detection_of(late_video), tmp_path / "yard", video=late_video), "#t=10.1")
    opened.settle()
    until(lambda: abs(opened.grey() - clock_grey(10.1)) <= 3)
    assert opened.cursor_seconds(40) == pytest.approx(10.1, abs=0.06)


def test_a_missing_video_can_be_chosen(
    yard: Detection, clock_video: Path, open_page: Callable[..., Opened], tmp_path: Path
) -> None:
    opened = open_page(write_page(yard, tmp_path / "yard", video=None), "#t=7")
    assert opened.tab.get_by_text("Choose the video file").is_visible()
    assert opened.cursor_seconds(40) == pytest.approx(7, abs=0.06)
    opened.tab.locator("#choose").set_input_files(clock_video)
    assert opened.settle() == pytest.approx(7, abs=0.001)
    assert opened.tab.locator("#video").is_visible()


def test_names_are_text_and_nothing_else(
    detection_of: MakeDetection, clock_video: Path, open_page: Callable[..., Opened], tmp_path: Path
) -> None:
    video = tmp_path / HOSTILE
    video.write_bytes(clock_video.read_bytes())
    evil = "</script><script>document.title='broken'</script>"
    detection = detection_of(video, notes=(evil,), model=evil, reason="<b>because</b>")
    page = write_page(detection, tmp_path / "re#por%t" / "</script>'\"".replace("/", "_"), video=video)
    opened = open_page(page)
    opened.settle()
    assert opened.tab.locator("h1").inner_text() == HOSTILE
    assert opened.tab.title() == f"{HOSTILE} · avadclip"
    assert evil in opened.tab.locator(".about").inner_text()
    assert opened.tab.locator("h1 *, .about b, body > script:not([src]):not([type])").count() == 0
    opened.tab.get_by_role("button", name="False alarm").first.wait_for()
    write_index(page.parent.parent)
    opened.tab.goto((page.parent.parent / "index.html").as_uri())
    opened.tab.get_by_role("link").first.click()
    opened.tab.wait_for_selector("#chart[data-ready]")


def test_labels_of_a_name_with_commas_and_quotes_are_read_back(
    yard: Detection, open_page: Callable[..., Opened], tmp_path: Path, yard_page: Path
) -> None:
    document = {**to_document(yard, include_scores=True), "source": 'north, "gate"/a b.mp4'}
    page = tmp_path / "yard.html"
    assets = f"{(yard_page.parent.parent / 'assets').as_uri()}/"
    page.write_text(render_page(document, PageMedia(None), PagePlaces(assets=assets)))
    opened = open_page(page)
    opened.tab.get_by_role("button", name="Real").first.click()
    path = saved_labels(opened, tmp_path / "labels.csv")
    assert read_label_csv(path)[0].video == 'north, "gate"/a b.mp4'
    with path.open(newline="") as file:
        assert len(next(csv.reader(file))) == 4


def test_every_control_has_a_name_and_narrow_screens_need_no_scrolling_sideways(
    yard_page: Path, open_page: Callable[..., Opened]
) -> None:
    opened = open_page(yard_page)
    for width in (320, 390, 768, 1280):
        opened.tab.set_viewport_size({"width": width, "height": 800})
        overflow = opened.tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, width
        until(lambda: opened.tab.locator("#chart .main-svg").first.bounding_box()["width"] < width)  # noqa: B023
        assert opened.chart_is_whole()
    for role in ("button", "slider", "link"):
        for control in opened.tab.get_by_role(role).all():
            name = control.get_attribute("aria-label") or control.inner_text() or control.get_attribute("id")
            assert name, role
    assert opened.tab.get_by_role("slider", name="Threshold", exact=True).count() == 1


def test_colours_follow_the_system_until_the_reader_chooses(yard_page: Path, open_page: Callable[..., Opened]) -> None:
    opened = open_page(yard_page, color_scheme="dark")
    theme = "document.documentElement.dataset.theme"
    curve = "document.getElementById('chart')._fullData.find(trace => trace.name === 'picture and sound').line.color"
    assert opened.tab.evaluate(theme) == "dark"
    dark = opened.tab.evaluate(curve)
    opened.tab.get_by_role("button", name="Switch to light").click()
    assert opened.tab.evaluate(theme) == "light"
    assert opened.tab.evaluate(curve) != dark
    opened.tab.reload()
    opened.tab.wait_for_selector("#chart[data-ready]")
    assert opened.tab.evaluate(theme) == "light"


def test_the_list_of_videos_leads_to_each_page(
    yard: Detection, clock_video: Path, yard_page: Path, open_page: Callable[..., Opened]
) -> None:
    opened = open_page(yard_page)
    opened.tab.get_by_role("link", name="All videos").click()
    row = opened.tab.get_by_role("row").nth(1)
    assert clock_video.name in row.inner_text()
    assert row.locator("rect").count() == 1 + len(yard.events)
    row.get_by_role("link").click()
    opened.tab.wait_for_selector("#chart[data-ready]")
    assert json.loads((yard_page.parent / "detection.json").read_text())["source"] == yard.source


@pytest.fixture(scope="session")
def meadow(
    ffmpeg: str, sample_videos: tuple[Path, Path], made_up: MakeDetection, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A page about a real video with scores that are made up, and say so."""
    root = tmp_path_factory.mktemp("meadow")
    video = root / "meadow.mp4"
    loop = ("-stream_loop", "11", "-i", str(sample_videos[0]), "-c", "copy", str(video))
    subprocess.run([ffmpeg, "-v", "error", *loop], check=True)
    made = made_up(
        94,
        source="meadow.mp4",
        classes=("normal", "fighting", "shooting", "riot", "abuse", "car accident"),
        seed=11,
        with_named_sounds=True,
    )
    birds = [NamedSound(name="Bird", probability=0.64, start=at, end=at + 3) for at in (4.0, 16.0, 52.0)]
    detection = dataclasses.replace(
        made,
        sounds=(*made.sounds, *birds),
        media=probe(video),
        model="made-up scores",
        notes=("these scores are made up, to show the page",),
    )
    return write_page(detection, root / "pages" / "meadow", video=video)


def test_film_and_waveform_lie_on_the_time_axis_and_a_click_on_them_seeks(
    yard_page: Path, yard: Detection, open_page: Callable[..., Opened]
) -> None:
    opened, end = open_page(yard_page), yard.media.duration_seconds
    images = opened.tab.locator("#chart .imagelayer image")
    until(lambda: images.count() == 13)
    plot = opened.tab.locator("#chart .nsewdrag").first.bounding_box()
    drawing = opened.tab.locator("#chart .main-svg").first.bounding_box()
    drawn = "image => [image.x, image.y, image.width, image.height].map(value => value.baseVal.value)"
    x, y, width, height = np.array([image.evaluate(drawn) for image in images.all()]).T
    x, y = x + drawing["x"] - plot["x"], y + drawing["y"] - plot["y"]  # from the corner of the curve
    part = plot["width"] / 12
    np.testing.assert_allclose(x, [*(part * np.arange(12)), 0], atol=2)
    np.testing.assert_allclose(width, [*[part] * 12, plot["width"]], atol=2)
    assert (y[:12] > plot["height"]).all()
    assert y[12] > (y + height)[:12].max()  # the waveform lies below the film
    opened.tab.locator("#threshold").fill("0.3")
    assert images.count() == 13
    opened.click_at(30, end, row=1 + 30 / plot["height"])  # 30 pixels under the curve: on the film
    assert opened.settle() == pytest.approx(30, abs=end / 200)


def test_the_page_is_drawn(meadow: Path, open_page: Callable[..., Opened], tmp_path: Path) -> None:
    """With AVADCLIP_PICTURES=1 the pictures of the documentation are made anew."""
    folder = REPOSITORY / "docs" / "images" if os.environ.get("AVADCLIP_PICTURES") == "1" else tmp_path
    opened = open_page(meadow, "#t=22")
    grounds = {}
    for name, width, scheme in (
        ("report", 1280, "light"),
        ("report-dark", 1280, "dark"),
        ("report-narrow", 390, "light"),
    ):
        opened.tab.set_viewport_size({"width": width, "height": 900})
        opened.tab.emulate_media(color_scheme=scheme)
        opened.settle()
        until(lambda: opened.tab.locator("#event-list img").first.evaluate("image => image.naturalWidth"))
        until(lambda: opened.tab.locator("#chart .main-svg").first.bounding_box()["width"] < width)  # noqa: B023
        shot = Image.open(BytesIO(opened.tab.screenshot(full_page=True))).convert("RGB")
        grounds[name] = shot.convert("L").getpixel((2, 2))
        assert len(np.unique(np.asarray(shot).reshape(-1, 3)[::50], axis=0)) > 500
        shot.quantize(256).save(folder / f"{name}.png", optimize=True)
    assert grounds["report-dark"] < 50
    assert grounds["report"] == grounds["report-narrow"] > 200
