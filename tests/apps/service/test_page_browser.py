"""The service's page and its result pages in a real browser."""

import os
import re
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from avadclip.apps.service.jobs.worker import load_by_name
from avadclip.apps.service.settings import ServiceSettings

pytestmark = pytest.mark.system

TOKEN = "browser-token-0123456789"
MAX_UPLOAD_BYTES = 5_000_000
PATIENCE_MS = 120_000
RATE_HZ = 12
REPOSITORY = Path(__file__).parents[3]


def draw(tab: Any, name: str, folder: Path) -> None:
    """A picture of the page; for the documentation where AVADCLIP_PICTURES is 1."""
    folder = REPOSITORY / "docs" / "images" if os.environ.get("AVADCLIP_PICTURES") == "1" else folder
    tab.screenshot(path=folder / name)


def until(read: Callable[[], Any], *, seconds: float = 60) -> Any:
    """What `read` gives once it is true; a result page's policy forbids Playwright's own way of waiting."""
    deadline = time.monotonic() + seconds
    while not (value := read()):
        assert time.monotonic() < deadline, "the page did not get there"
        time.sleep(0.02)
    return value


@pytest.fixture(scope="module")
def two_rides(sample_videos: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey, six seconds of bikes, grey, bikes again, grey: 37.5 s in which the score rises twice."""
    with av.open(str(sample_videos[1])) as container:
        frames = [frame for number, frame in enumerate(container.decode(video=0)) if number % 2 == 0][:75]
    bikes = [frame.reformat(width=320, height=180, format="yuv420p").to_ndarray() for frame in frames]
    grey = [np.full_like(bikes[0], 128)] * 100
    path = tmp_path_factory.mktemp("rides") / "two rides.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=RATE_HZ, options={"preset": "ultrafast", "g": "12"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number, picture in enumerate([*grey, *bikes, *grey, *bikes, *grey]):
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, running: Any) -> Iterator[Any]:
    settings = ServiceSettings(
        data=tmp_path_factory.mktemp("page"), tokens={"ann": TOKEN}, max_upload_bytes=MAX_UPLOAD_BYTES
    )
    with running(settings, partial(load_by_name, "starter-1", None, "cpu")) as served:
        served.client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield served


@pytest.fixture(scope="module")
def tab(browser: Any, service: Any) -> Iterator[Any]:
    """A tab at the service's page, logged in; afterwards nothing may have complained or been loaded from elsewhere."""
    context = browser.new_context(viewport={"width": 1100, "height": 720})
    context.set_default_timeout(PATIENCE_MS)
    tab = context.new_page()
    complaints, requests = [], []
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("dialog", lambda dialog: dialog.accept())
    tab.goto(service.url)
    tab.fill("#token", "not the token")
    tab.click("#login button")
    tab.wait_for_selector("#login-problem:not([hidden])")
    tab.fill("#token", TOKEN)
    tab.click("#login button")
    tab.wait_for_selector("#status[data-state=ready]")
    yield tab
    context.close()
    assert [text for text in complaints if "401" not in text and "415" not in text] == []
    assert [url for url in requests if not url.startswith((service.url, "data:", "blob:"))] == []


@pytest.fixture(scope="module")
def scored(tab: Any, two_rides: Path, sample_videos: tuple[Path, Path]) -> Any:
    """The tab, once both videos were chosen, uploaded and scored; with the shares that its bar showed."""
    tab.evaluate(
        """() => {
          globalThis.seen = [];
          globalThis.told = [];
          new MutationObserver(() => {
            const bar = document.querySelector(".job[data-state=running] progress");
            if (bar) seen.push(bar.value);
            const left = document.querySelector(".job[data-state=running] .job-left");
            if (left) told.push(left.textContent);
          }).observe(document.getElementById("jobs"), { childList: true, subtree: true, attributes: true });
        }"""
    )
    tab.set_input_files("#files", [two_rides, sample_videos[1]])
    until(lambda: tab.locator(".job[data-state=done]").count() == 2, seconds=120)
    return tab


def job(tab: Any, name: str) -> Any:
    return tab.locator(".job", has=tab.get_by_text(name, exact=True))


def test_uploads_appear_with_live_progress_and_end_in_results(scored: Any) -> None:
    shares = scored.evaluate("seen")
    assert any(0 < share < 1 for share in shares)
    assert all(re.fullmatch(r"\d+ %(, \d+:\d\d left)?", text) for text in scored.evaluate("told"))
    assert scored.locator("#demonstration").is_visible()
    assert "1 event" in job(scored, "bikes.mp4").inner_text()
    assert "no events" in job(scored, "two rides.mp4").inner_text()
    assert scored.locator("#uploads > li").count() == 0
    until(lambda: job(scored, "bikes.mp4").locator("img").evaluate("image => image.naturalWidth") == 320)
    assert job(scored, "two rides.mp4").locator("img").count() == 0  # no event, no picture
    assert scored.locator("#jobs-count").inner_text() == "2 videos"


def test_dropped_files_are_uploaded_and_others_refused_with_a_reason(scored: Any) -> None:
    transfer = scored.evaluate_handle(
        """() => {
          const transfer = new DataTransfer();
          transfer.items.add(new File(["no video"], "notes.mp4"));
          return transfer;
        }"""
    )
    scored.dispatch_event("#drop", "dragover", {"dataTransfer": transfer})
    assert "over" in (scored.get_attribute("#drop", "class") or "")
    scored.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
    problem = scored.wait_for_selector("#uploads .problem")
    assert "is not a video" in problem.inner_text()
    scored.click("#uploads button")
    assert scored.locator("#uploads > li").count() == 0


def test_a_file_that_is_too_large_is_not_even_begun(scored: Any, tmp_path: Path) -> None:
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(MAX_UPLOAD_BYTES + 1)
    scored.set_input_files("#files", large)
    assert "Larger than" in scored.wait_for_selector("#uploads .problem").inner_text()
    scored.click("#uploads button")


def test_events_are_found_by_class_and_score(scored: Any, tmp_path: Path) -> None:
    rows = scored.locator("#events tr")
    until(lambda: rows.count() == 1)
    assert "fighting" in rows.first.inner_text()
    scored.locator("#events-search input[name=min_score]").fill("1")
    until(lambda: rows.count() == 0)
    assert scored.locator("#events-count").inner_text() == "none found"
    scored.locator("#events-search input[name=min_score]").fill("0.5")
    scored.locator("#events-search select[name=label]").select_option("fighting")
    until(lambda: rows.count() == 1)
    draw(scored, "service.png", tmp_path)


def test_events_are_found_by_their_sounds(scored: Any) -> None:
    events = scored.locator("#events tr")
    scored.locator("#events-search input[name=sound]").fill("gunshot")
    until(lambda: events.count() == 0)
    scored.locator("#events-search input[name=sound]").fill("")
    until(lambda: events.count() == 1)


def settle(tab: Any) -> float:
    """Seconds of the video, once it has gone where it was sent."""
    until(lambda: tab.evaluate("(v => v.readyState >= 2 && !v.seeking)(document.getElementById('video'))"))
    return float(tab.evaluate("document.getElementById('video').currentTime"))


@pytest.fixture
def open_result(browser: Any, scored: Any, service: Any) -> Iterator[Callable[[str], Any]]:
    """Opens the page of a video in a tab of its own, at an address as somebody would have shared it."""
    tabs = []

    def open_one(name: str, fragment: str = "") -> Any:
        tab = scored.context.new_page()
        tabs.append(tab)
        tab.set_viewport_size({"width": 1280, "height": 1100})
        # A new tab has no token of its own yet, as a shared link has not.
        tab.goto(service.url + "/" + job(scored, name).locator("a").get_attribute("href") + fragment)
        tab.fill("#token", TOKEN)
        tab.click("#login button")
        tab.wait_for_url(re.compile("/results/"))
        tab.wait_for_selector("#chart[data-ready]")
        settle(tab)
        return tab

    yield open_one
    for tab in tabs:
        tab.close()


def test_a_click_into_the_scores_seeks_the_streamed_video(open_result: Callable[..., Any]) -> None:
    tab = open_result("two rides.mp4")
    ranges = []
    tab.on("response", lambda answer: ranges.append(answer.status) if answer.url.endswith("/video") else None)
    area = tab.locator("#chart .nsewdrag").first.bounding_box()
    tab.mouse.click(area["x"] + area["width"] * 0.8, area["y"] + area["height"] / 2)
    length = tab.evaluate("document.getElementById('video').duration")
    until(lambda: settle(tab) > 1)
    assert settle(tab) == pytest.approx(0.8 * length, abs=0.5)
    assert all(status == 206 for status in ranges)


def test_the_slider_cuts_events_anew_and_next_goes_through_them(open_result: Callable[..., Any]) -> None:
    tab = open_result("two rides.mp4")
    assert tab.locator("#event-list > li").count() == 0
    tab.locator("#threshold").fill("0.1")
    assert tab.locator("#event-list > li").count() == 2
    # The bikes ride from 8.3 to 14.6 s and from 22.9 to 29.2 s.
    tab.click("#next")
    first = settle(tab)
    tab.click("#next")
    second = until(lambda: (at := settle(tab)) > first + 1 and at)
    assert 8 < first < 14.6
    assert 22.5 < second < 29.2


def test_a_page_without_events_leads_to_the_highest_score(open_result: Callable[..., Any]) -> None:
    tab = open_result("two rides.mp4")
    assert "demonstration model" in tab.locator(".demonstration").inner_text()
    tab.click("#highest")
    highest = until(lambda: (at := settle(tab)) > 1 and at)
    assert 8 < highest < 14.6 or 22.5 < highest < 29.2  # the bikes
    tab.locator("#threshold").fill("0.1")
    assert not tab.locator("#highest").is_visible()


def test_space_plays_and_pauses_after_a_click_on_a_button(open_result: Callable[..., Any]) -> None:
    tab = open_result("two rides.mp4")
    tab.click("#theme")
    theme = tab.evaluate("document.documentElement.dataset.theme")
    for is_paused in (False, True):
        tab.keyboard.press("Space")
        until(lambda: tab.evaluate("document.getElementById('video').paused") == is_paused)  # noqa: B023
    assert tab.evaluate("document.documentElement.dataset.theme") == theme
    tab.locator("#theme").focus()
    tab.keyboard.press("Space")  # who came by keyboard presses the button
    assert tab.evaluate("document.documentElement.dataset.theme") != theme


def test_the_address_of_a_job_turns_into_its_result_without_a_click(
    scored: Any, service: Any, sample_videos: tuple[Path, Path]
) -> None:
    content = sample_videos[1].read_bytes()
    jobs = [service.client.post(f"/api/uploads?name=late{n}.mp4", content=content).json() for n in range(2)]
    tab = scored.context.new_page()
    tab.goto(f"{service.url}/?job={jobs[1]['id']}")
    tab.fill("#token", TOKEN)
    tab.click("#login button")
    tab.wait_for_selector("#waiting:not([hidden])")
    assert not tab.locator("#drop").is_visible()
    tab.wait_for_url(re.compile("/results/"))
    tab.close()
    for made in jobs:
        service.client.delete(f"/api/jobs/{made['id']}")


def test_a_deep_link_leads_to_its_moment(open_result: Callable[..., Any]) -> None:
    tab = open_result("two rides.mp4", "#t=24.5")
    assert settle(tab) == pytest.approx(24.5, abs=0.1)


def test_the_event_search_leads_to_the_moment(scored: Any) -> None:
    link = scored.locator("#events a").first.get_attribute("href")
    assert re.fullmatch(r"\?job=[0-9a-f]{32}#t=\d+\.\d", link)


def test_deleting_removes_the_video_from_every_list(scored: Any, service: Any) -> None:
    job(scored, "bikes.mp4").get_by_role("button").click()
    until(lambda: scored.locator(".job").count() == 1)
    until(lambda: scored.locator("#events tr").count() == 0)
    assert service.client.get("/api/jobs").json()["total"] == 1


def test_the_documentation_is_drawn_under_its_policy(browser: Any, service: Any) -> None:
    tab = browser.new_page()
    complaints = []
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.goto(f"{service.url}/docs")
    tab.locator("#operations-default-show_job_api_jobs__job_id__get").click()
    tab.get_by_text("Get the status of a job").first.wait_for()
    tab.close()
    assert complaints == []


def test_a_file_of_a_result_opens_without_rights(browser: Any, scored: Any, service: Any) -> None:
    job_id = job(scored, "two rides.mp4").locator("a").get_attribute("href").partition("job=")[2]
    href = service.client.post(f"/api/jobs/{job_id}/link").json()["href"]
    tab = browser.new_page()
    tab.goto(f"{service.url}{href}scores.png")
    assert tab.evaluate("document.images[0].naturalWidth") > 0
    assert tab.evaluate("origin") == "null"
    tab.close()
