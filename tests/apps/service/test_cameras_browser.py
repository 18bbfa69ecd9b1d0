"""Pages of cameras in a real browser: with made-up cameras, and with those of a real watch."""

import io
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import service_fakes
from made_up_events import make_live_event
from PIL import Image

from avadclip.apps.service.cameras.schemas import CameraScore, CameraStatus
from avadclip.apps.service.settings import ServiceSettings
from avadclip.media.video import VideoReader

pytestmark = pytest.mark.system

PATIENCE_MS = 120_000
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1100, "height": 800}
REPOSITORY = Path(__file__).parents[3]


def until(tab: Any, condition: str) -> None:
    """Wait for a condition in the page, whose policy forbids Playwright's own way of waiting."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not tab.evaluate(condition):
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


def draw(tab: Any, name: str, folder: Path) -> None:
    """A picture of the page; for the documentation where AVADCLIP_PICTURES is 1."""
    folder = REPOSITORY / "docs" / "images" if os.environ.get("AVADCLIP_PICTURES") == "1" else folder
    tab.screenshot(path=folder / name)
    with Image.open(folder / name) as picture:  # 256 colours are a third of the bytes
        picture.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
            folder / name, optimize=True
        )


def picture_of(video: Path) -> bytes:
    frame = next(iter(VideoReader(video, frame_size=(180, 320)).frames_at([1.0])))
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "jpeg")
    return file.getvalue()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, running: Any) -> Iterator[Any]:
    with running(ServiceSettings(data=tmp_path_factory.mktemp("cameras")), service_fakes.Refusing) as served:
        yield served


@pytest.fixture(scope="module")
def filled(service: Any, sample_videos: tuple[Path, Path]) -> Any:
    """Two cameras, one of them silent, and five events: three of the last hours, one of the day before."""
    now, data = time.time(), service.service.settings.data
    recordings = data / "recordings"
    for folder in (recordings, service.service.settings.cameras):
        folder.mkdir(exist_ok=True)
    picture = picture_of(sample_videos[1])
    (service.service.settings.cameras / "yard.jpg").write_bytes(picture)
    (recordings / "yard-0.jpg").write_bytes(picture)
    shutil.copy(sample_videos[1], recordings / "yard-0.mkv")
    sounds = [{"name": "Gunshot, gunfire", "probability": 0.55, "start": now - 20, "end": now - 19}]
    own = {"reason": "picture and sound", "network": "teacher", "dropped_seconds": 3.3, "recordings": str(recordings)}
    statuses = [
        CameraStatus.model_validate(own | {"name": "yard", "written_at": now + 3600, "state": "online",
                                           "picture_at": now - 2, "sounds": sounds}),
        CameraStatus.model_validate(own | {"name": "gate", "written_at": now - 60, "state": "online",
                                           "picture_at": None, "sounds": []}),
    ]  # fmt: skip
    curve = [
        CameraScore(start=now - 3595 + 5 * i, score=0.8 if 400 < i < 420 else 0.1 + 0.05 * math.sin(i / 30))
        for i in range(718)
    ]
    service.service.store.camera_store.keep(statuses, {"yard": curve})
    times = {"yard-0": 0.0, "yard-1": -1.0, "gate-2": -2.0, "yard-3": -86400.0}
    today = now - 5 if time.localtime(now - 5).tm_yday == time.localtime(now).tm_yday else now
    for number, (event_id, ago) in enumerate(times.items()):
        changes = {"id": event_id, "source": event_id.partition("-")[0], "start": today + ago, "end": today + ago + 9}
        if event_id == "yard-1":
            changes |= {"kind": "sound", "label": "gunshot", "sounds": sounds}
        if event_id == "yard-0":
            changes |= {"severity": "alert", "score": 0.91, "picture": str(recordings / "yard-0.jpg")}
        service.service.store.keep_live_event(make_live_event(number, is_open=False, **changes))
    return service


@pytest.fixture
def open_page(browser: Any, service: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page of cameras; afterwards nothing may have complained."""
    tabs, complaints = [], []

    def open_one(query: str = "", *, theme: str = "light", size: dict[str, int] = DESKTOP) -> Any:
        tab = browser.new_page(viewport=size, color_scheme=theme)
        tab.set_default_timeout(PATIENCE_MS)
        tabs.append(tab)
        tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(f"{service.url}/cameras{query}")
        tab.wait_for_selector("#status[data-state=ready]")
        return tab

    yield open_one
    for tab in tabs:
        tab.close()
    assert complaints == []


@pytest.mark.usefixtures("filled")
def test_the_list_shows_picture_state_and_last_event_of_each_camera(open_page: Callable[..., Any]) -> None:
    tab = open_page()
    cards = {card.locator(".camera-name").inner_text(): card for card in tab.locator("#cameras > li").all()}
    assert list(cards) == ["gate", "yard"]
    assert cards["gate"].locator(".status").inner_text() == "stale"
    assert cards["yard"].locator(".status").inner_text() == "running"
    assert cards["yard"].locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 320
    assert cards["gate"].locator(".no-camera-picture").is_visible()
    assert cards["yard"].locator("p.faint").inner_text().startswith("fighting 0.91, ")
    cards["yard"].locator("a").click()
    tab.wait_for_selector("#camera:not([hidden])")
    assert tab.locator("h1").inner_text() == "yard"


@pytest.mark.usefixtures("filled")
def test_a_camera_page_shows_curve_sounds_and_dropped_seconds(open_page: Callable[..., Any], tmp_path: Path) -> None:
    tab = open_page("?camera=yard")
    assert "highest 0.80" in tab.locator("#curve-words").inner_text()
    assert tab.locator("#curve path").count() == 2
    assert tab.locator("#camera-sounds").inner_text().startswith("gunshot 0.55")
    assert tab.locator("#camera-dropped").inner_text().startswith("3.3 s")
    assert tab.locator("#live-events > li").count() == 3
    until(tab, "document.querySelector('#live-events img').naturalWidth > 0")
    draw(tab, "camera.png", tmp_path)
    phone = open_page("?camera=yard", theme="dark", size=PHONE)
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert phone.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(244, 245, 247)"
    draw(phone, "camera-phone.png", tmp_path)


@pytest.mark.usefixtures("filled")
def test_the_day_has_its_events_and_the_day_before_the_others(open_page: Callable[..., Any]) -> None:
    tab = open_page()
    marks = tab.locator("#timeline a")
    until(tab, "document.querySelectorAll('#timeline a').length === 3")
    assert tab.locator("#timeline .strip").count() == 2
    marks.last.focus()
    tab.keyboard.press("Enter")
    assert tab.locator("#event-title").inner_text().endswith("yard")
    tab.click("#event button")
    tab.click("#day-before")
    until(tab, "document.querySelectorAll('#timeline a').length === 1")
    assert tab.locator("#day-count").inner_text() == "1 event"


@pytest.mark.usefixtures("filled")
def test_events_are_found_by_sound_class_camera_and_time(open_page: Callable[..., Any]) -> None:
    tab = open_page()
    form = tab.locator("#live-events-search")

    def shown(count: int) -> None:
        until(tab, f"document.querySelectorAll('#live-events > li').length === {count}")

    shown(4)
    for field, value, count in (("sound", "GUNFIRE", 1), ("sound", "", 4)):
        form.locator(f"[name={field}]").fill(value)
        shown(count)
    for field, value, count in (("label", "gunshot", 1), ("label", "", 4), ("camera", "gate", 1), ("camera", "", 4)):
        form.locator(f"[name={field}]").select_option(value)
        shown(count)
    noon = time.strftime("%Y-%m-%dT%H:%M", time.localtime(time.time() - 43200))
    form.locator("[name=until]").fill(noon)
    shown(1)
    form.locator("[name=until]").fill("")
    form.locator("[name=since]").fill(noon)
    shown(3)


@pytest.mark.usefixtures("filled")
def test_an_event_plays_its_recording(open_page: Callable[..., Any]) -> None:
    tab = open_page("?camera=yard")
    tab.locator(".camera-event", has_text="play").locator("button").click()
    until(tab, "document.querySelector('#event video')?.currentTime > 0.2")
    assert "score 0.91" in tab.locator("#event-words").inner_text()
    tab.click("#event button")
    until(tab, "document.querySelector('#event video') === null")


def test_an_unknown_camera_is_said_in_one_line(service: Any, browser: Any) -> None:
    tab = browser.new_page()
    tab.goto(f"{service.url}/cameras?camera=nowhere")
    assert tab.wait_for_selector("#problem:not([hidden])").inner_text() == "There is no camera nowhere."
    tab.close()


@pytest.fixture
def watch_command(avadclip_command: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], tuple[int, str, str]]:
    monkeypatch.setattr("avadclip.apps.cli.watch._stop_on_signals", lambda _: None)  # the signals are pytest's
    monkeypatch.setattr("avadclip.apps.service.cameras.reporter.WRITE_SECONDS", 1.0)
    return lambda config: avadclip_command("watch", "--config", str(config))


def test_a_real_watch_appears_while_it_goes_on_and_its_event_plays(
    service: Any, open_page: Callable[..., Any], watch_command: Any, sample_videos: tuple[Path, Path], tmp_path: Path
) -> None:
    """The starter model's scores of people on bicycles; at a threshold of 0 everything is one event."""
    data, config = service.service.settings.data, tmp_path / "watch.toml"
    config.write_text(
        f"state = '{tmp_path}/state'\n[store]\ndata = '{data}'\n[recording]\nfolder = '{data}/recorded'\n"
        f"[cameras.rides]\nsource = '{sample_videos[1]}'\nthreshold = 0\n"
    )
    outcome: list[Any] = []
    watch = threading.Thread(target=lambda: outcome.append(watch_command(config)))
    watch.start()
    tab = open_page()
    card = tab.locator("#cameras > li[data-name=rides]")
    card.locator(".status[data-state=running]").wait_for()
    watch.join(120)
    assert [(code, err) for code, _, err in outcome] == [(0, "")]
    tab = open_page("?camera=rides")
    assert tab.locator("#camera-state").inner_text() == "ended"
    assert tab.locator("#camera-picture").evaluate("image => image.decode().then(() => image.naturalWidth)") == 640
    assert tab.locator("#curve path").count() > 0
    assert tab.locator(".camera-event img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 640
    tab.locator(".camera-event button").click()
    until(tab, "document.querySelector('#event video')?.currentTime > 0.2")
    assert tab.evaluate("document.querySelector('#event video').duration") == pytest.approx(10, abs=1)
