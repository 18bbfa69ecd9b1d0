"""A video whose grey tells the time, a made-up detection of it, and pages in a browser."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from avadclip.inference.detector import Detection
from avadclip.media.probe import probe

SECONDS, RATE_HZ, SIZE = 40, 5, (96, 160)
TONE_HZ = 440


def grey_at(seconds: float) -> int:
    """Grey value of the picture shown at this time."""
    return 30 + round(200 * int(seconds * RATE_HZ) / (SECONDS * RATE_HZ))


def write_clock_video(path: Path, *, codec: str = "libx264", late_seconds: int = 0) -> Path:
    """Grey pictures over a tone; the pictures begin `late_seconds` after it."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream(codec, rate=RATE_HZ)
        picture.height, picture.width = SIZE
        picture.pix_fmt = "yuv420p"
        track = container.add_stream("aac", rate=48_000, layout="stereo")
        for index in range(SECONDS * RATE_HZ):
            grey = np.full((*SIZE, 3), grey_at(index / RATE_HZ), dtype=np.uint8)
            shown = av.VideoFrame.from_ndarray(grey)
            shown.pts, shown.time_base = index + late_seconds * RATE_HZ, Fraction(1, RATE_HZ)
            container.mux(picture.encode(shown))
            container.mux(track.encode(_tone(index)))
        container.mux(picture.encode(None))
        container.mux(track.encode(None))
    return path


def _tone(index: int) -> av.AudioFrame:
    """The stretch of sound as long as one picture."""
    count = 48_000 // RATE_HZ
    times = (np.arange(count) + index * count) / 48_000
    samples = np.tile(0.3 * np.sin(2 * np.pi * TONE_HZ * times), (2, 1)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
    frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), index * count
    return frame


@pytest.fixture(scope="session")
def clock_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clock_video(tmp_path_factory.mktemp("video") / "yard.mp4")


@pytest.fixture(scope="session")
def hevc_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clock_video(tmp_path_factory.mktemp("video") / "yard.mkv", codec="libx265")


@pytest.fixture(scope="session")
def late_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clock_video(tmp_path_factory.mktemp("video") / "yard.mp4", late_seconds=2)


@pytest.fixture(scope="session")
def detection_of(made_up: Callable[..., Detection]) -> Callable[..., Detection]:
    """A detection nobody measured, of a video that is there."""

    def make(video: Path, **fields: object) -> Detection:
        made = made_up(60, source=str(video), classes=("normal", "fighting", "car accident"))
        track = dataclasses.replace(made.track, end_seconds=float(SECONDS))
        return dataclasses.replace(made, media=probe(video), track=track, **fields)

    return make


@pytest.fixture(scope="session")
def clock_grey() -> Callable[[float], int]:
    return grey_at


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
                "alert": item.locator(".badge", has_text="alert").count() == 1,
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
