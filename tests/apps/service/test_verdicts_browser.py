"""Verdicts given on the service's page and on a result page, in a real browser."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from made_up_events import make_live_event

from avadclip.apps.service.jobs.worker import load_by_name
from avadclip.apps.service.settings import ServiceSettings

pytestmark = pytest.mark.system

HOSTILE = "<img src=x onerror=document.title='broken'>"
TOKEN = "browser-token-0123456789"
PATIENCE_MS = 120_000
PHONE, DESKTOP = {"width": 390, "height": 800}, {"width": 1280, "height": 900}


def until(read: Callable[[], Any]) -> Any:
    """What `read` gives once it is true; a result page's policy forbids Playwright's own way of waiting."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not (value := read()):
        assert time.monotonic() < deadline, "the page did not get there"
        time.sleep(0.02)
    return value


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, running: Any, sample_videos: tuple[Path, Path], wait_until: Any
) -> Iterator[Any]:
    """A service with one event in a file, and two of a camera."""
    settings = ServiceSettings(data=tmp_path_factory.mktemp("judged"), tokens={"ann": TOKEN})
    with running(settings, partial(load_by_name, "starter-1", None, "cpu")) as served:
        served.client.headers["Authorization"] = f"Bearer {TOKEN}"
        body = sample_videos[1].read_bytes()
        job = served.client.post("/api/uploads", params={"name": "bikes.mp4"}, content=body).json()
        wait_until(lambda: served.client.get(f"/api/jobs/{job['id']}").json()["state"] == "done", what="the result")
        sound = {"name": HOSTILE, "probability": 0.71, "start": 1.0, "end": 2.0}
        for number in (1, 2):
            begin = time.time() - 60 * number
            over = {"end": begin + 5, "is_open": False, "kind": "sound", "label": "gunshot", "sounds": [sound]}
            event = make_live_event(0, id=f"yard-{number}", start=begin, **({} if number == 1 else over))
            served.service.store.keep_live_event(event)
        yield served


@pytest.fixture(scope="module")
def tab(browser: Any, service: Any) -> Iterator[Any]:
    """A tab at the page, logged in; afterwards nothing may have complained."""
    context = browser.new_context(viewport=DESKTOP)
    context.set_default_timeout(PATIENCE_MS)
    tab = context.new_page()
    complaints = []
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.goto(service.url)
    tab.fill("#token", TOKEN)
    tab.click("#login button")
    tab.wait_for_selector("#status[data-state=ready]")
    yield tab
    context.close()
    assert [text for text in complaints if "401" not in text] == []


def verdicts(service: Any) -> dict[str | None, tuple[str, str | None]]:
    items = service.client.get("/api/verdicts").json()["items"]
    return {item["event_id"]: (item["verdict"], item["correct_label"]) for item in items}


def test_a_live_event_is_judged_beside_its_picture_and_found_by_it(tab: Any, service: Any, tmp_path: Path) -> None:
    tab.click("text=Cameras")
    rows = tab.locator("#live-events > li")
    until(lambda: rows.count() == 2)
    begun = service.service.store.live_event("yard-1")
    assert "ongoing" in rows.nth(0).inner_text()
    ended = begun.model_copy(update={"number": 1, "end": begun.start + 4.5, "is_open": False})
    service.service.store.keep_live_event(ended)
    until(lambda: "0:04.5" in rows.nth(0).inner_text())
    assert HOSTILE in rows.nth(1).locator(".event-sounds").inner_text()
    assert (tab.locator("#live-events img").count(), tab.title()) == (0, "Cameras · avadclip")
    given = tab.locator("#event-verdict")
    rows.nth(0).locator("button").click()
    given.get_by_role("button", name="False alarm").click()
    until(lambda: verdicts(service) == {"yard-1": ("false alarm", None)})
    tab.click("#event button")
    rows.nth(1).locator("button").click()
    given.get_by_role("button", name="Wrong class").click()
    given.get_by_label("Right class of gunshot of yard").fill("explosion")
    given.get_by_role("button", name="Save").click()
    until(lambda: verdicts(service).get("yard-2") == ("wrong class", "explosion"))
    given.get_by_role("button", name="Wrong class: explosion").wait_for()
    tab.click("#event button")
    choice = tab.locator("#live-events-search select[name=verdict]")
    for verdict, count in (("false alarm", 1), ("none", 0), ("wrong class", 1), ("", 2)):
        choice.select_option(verdict)
        until(lambda: rows.count() == count)  # noqa: B023
    until(lambda: "wrong class: explosion" in rows.nth(1).inner_text())
    rows.nth(0).locator("button").click()
    tab.screenshot(path=tmp_path / "event.png")
    given.get_by_role("button", name="False alarm").click()  # a second press withdraws it
    until(lambda: "yard-1" not in verdicts(service))
    tab.set_viewport_size(PHONE)
    tab.screenshot(path=tmp_path / "event-phone.png")
    tab.click("#event button")
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    tab.set_viewport_size(DESKTOP)
    tab.click("#back")
    tab.wait_for_selector("#status[data-state=ready]")


def test_a_result_page_judges_events_and_marks_missed_ones(tab: Any, service: Any, tmp_path: Path) -> None:
    (event,) = service.client.get("/api/events").json()["items"]
    tab.goto(f"{service.url}/?job={event['job_id']}")
    tab.wait_for_selector("#chart[data-ready]")
    one = tab.locator("#event-list > li").first
    one.get_by_role("button", name="Real", exact=True).click()
    until(lambda: verdicts(service).get(event["id"]) == ("real", None))
    tab.get_by_text("Missed events").click()
    tab.fill("#missed-start", "0.5")
    tab.fill("#missed-end", "2")
    tab.get_by_label("Class of the missed event").fill("Riot")
    tab.click("#missed-add")
    until(lambda: verdicts(service).get(None) == ("missed", "riot"))
    assert "riot, 0:00.5" in until(lambda: tab.locator("#missed-list").inner_text())
    tab.reload()
    tab.wait_for_selector("#chart[data-ready]")
    pressed = tab.locator("#event-list [aria-pressed=true]")
    until(lambda: pressed.count() == 1)
    assert pressed.inner_text() == "Real"
    tab.get_by_text("Missed events").click()
    tab.screenshot(path=tmp_path / "result.png")
    tab.set_viewport_size(PHONE)
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    tab.screenshot(path=tmp_path / "result-phone.png", full_page=True)
    tab.set_viewport_size(DESKTOP)
    tab.locator("#missed-list").get_by_role("button", name="Remove").click()
    until(lambda: None not in verdicts(service))


def test_a_result_opened_without_a_token_says_that_verdicts_need_one(browser: Any, service: Any) -> None:
    (event,) = service.client.get("/api/events").json()["items"]
    href = service.client.post(f"/api/jobs/{event['job_id']}/link").json()["href"]
    page = browser.new_page()
    page.goto(service.url + href)
    until(lambda: "need a token" in page.locator("#verdicts-why").inner_text())
    page.close()
