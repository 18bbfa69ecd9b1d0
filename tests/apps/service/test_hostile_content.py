"""Files whose name or content would run as a page of the service, and the headers that prevent it."""

import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

from avadclip.apps.service.jobs.worker import load_by_name
from avadclip.apps.service.settings import ServiceSettings

SCRIPT = b"<html><script>document.title = 'taken over'</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path], running: Any) -> Iterator[Any]:
    """A service whose folder holds videos under the names of pages."""
    folder = tmp_path_factory.mktemp("hostile").resolve()
    video = make_video(2)
    for name in ("x.html", "x.svg", "x.xml"):
        shutil.copy(video, folder / name)
    room = (len(SCRIPT) + 8).to_bytes(4, "big") + b"free"  # a box that readers of MP4 skip
    (folder / "polyglot.html").write_bytes(video.read_bytes() + room + SCRIPT)
    (folder / "polyglot.svg").write_bytes(SVG + make_video(2, suffix=".nut", codec="mpeg4").read_bytes())
    settings = ServiceSettings(data=tmp_path_factory.mktemp("data"), folders=(folder,))
    with running(settings, partial(load_by_name, "starter-1", None, "cpu")) as service:
        yield service


def make_link(service: Any, name: str, wait_until: Callable[..., Any]) -> str:
    """Address of the result page of a file in the folder."""
    job = service.client.post("/api/jobs", json={"path": name}).json()
    address = f"/api/jobs/{job['id']}"
    wait_until(lambda: service.client.get(address).json()["state"] in ("done", "failed"), what=name)
    return str(service.client.post(f"{address}/link").json()["href"])


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.xml", "polyglot.html"])
def test_a_video_is_served_as_the_type_of_its_content(hostile: Any, name: str, wait_until: Callable[..., Any]) -> None:
    answer = hostile.client.get(make_link(hostile, name, wait_until) + "video")
    assert answer.headers["content-type"] == "video/mp4"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_video_of_no_type_that_browsers_know_is_only_saved(hostile: Any, wait_until: Callable[..., Any]) -> None:
    answer = hostile.client.get(make_link(hostile, "polyglot.svg", wait_until) + "video")
    assert SVG in answer.content
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="polyglot.svg"'


def test_a_file_among_the_results_has_a_type_of_ours_or_none(hostile: Any, wait_until: Callable[..., Any]) -> None:
    href = make_link(hostile, "x.html", wait_until)
    job_id = href.split("/")[2].split(".")[0]
    folder = hostile.service.media.result_folder(job_id)
    (folder / "x.html").write_bytes(SCRIPT)
    assert hostile.client.get(f"{href}x.html").headers["content-type"] == "application/octet-stream"
    for name, expected in {
        "detection.json": "application/json",
        "events.csv": "text/csv",
        "scores.png": "image",
    }.items():
        assert hostile.client.get(href + name).headers["content-type"].startswith(expected)


def test_a_video_that_left_its_folder_is_not_found(
    hostile: Any, wait_until: Callable[..., Any], tmp_path: Path
) -> None:
    (folder,) = hostile.service.settings.folders
    shutil.copy(folder / "x.html", folder / "gone.mp4")
    href = make_link(hostile, "gone.mp4", wait_until)
    (folder / "gone.mp4").rename(tmp_path / "gone.mp4")
    assert hostile.client.get(f"{href}video").status_code == 404
    (folder / "gone.mp4").symlink_to(tmp_path / "gone.mp4")
    assert hostile.client.get(f"{href}video").status_code == 404


def test_a_result_whose_files_were_taken_away_is_not_found(hostile: Any, wait_until: Callable[..., Any]) -> None:
    href = make_link(hostile, "x.html", wait_until)
    job_id = href.split("/")[2].split(".")[0]
    shutil.rmtree(hostile.service.media.result_folder(job_id))
    for path in (href, f"{href}video", f"{href}detection.json", f"/api/jobs/{job_id}/result"):
        assert hostile.client.get(path).status_code == 404


def addresses(service: Any) -> Iterator[tuple[str, str]]:
    """Every route of the application, with made-up parameters, and some that it does not have."""
    key, _ = service.service.links.key("0" * 32)
    values = {
        "job_id": "0" * 32,
        "key": key,
        "name": "x",
        "event_id": "yard-1",
        "camera": "yard",
        "verdict_id": "0" * 32,
    }
    for route in iter_route_contexts(service.app.routes):
        path = re.sub(r"\{(\w+)(:path)?\}", lambda found: values[found[1]], route.path)
        if isinstance(route.original_route, Mount):
            yield from (("GET", f"{path}/main.js"), ("GET", f"{path}/nowhere"))
        else:
            yield from ((method, path) for method in [*route.methods, "PATCH"])
    yield from (("GET", "/nowhere"), ("GET", "/static"), ("GET", f"/results/{key}"), ("GET", "/results/x/"))


def walk(service: Any, **options: Any) -> Iterator[tuple[str, int, Any]]:
    for method, path in addresses(service):
        if (method, path) == ("GET", "/api/progress"):
            continue  # never ends
        answer = service.client.request(method, path, **options)
        yield f"{method} {path}", answer.status_code, answer.headers


def check_headers(place: str, status: int, headers: Any) -> None:
    assert headers["x-content-type-options"] == "nosniff", place
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy, place
    if place in ("GET /", "GET /cameras", "GET /docs") and status == 200:
        assert policy.startswith("default-src 'self'")
        assert "script-src" not in policy
    else:
        assert policy.startswith("default-src 'none'"), place
        assert policy.endswith("sandbox"), place


def test_every_response_has_the_security_headers(guarded: Any) -> None:
    met = set()
    for options in ({}, {"headers": {"Authorization": ""}}, {"headers": {"Host": "elsewhere.example"}}):
        for place, status, headers in walk(guarded, **options):
            check_headers(place, status, headers)
            met.add(status)
    assert {200, 401, 404, 405, 421, 422} <= met


def test_an_error_inside_the_service_has_them_too(guarded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    for name in ("labels", "job", "jobs"):
        monkeypatch.setattr(guarded.service.store, name, fail)
    statuses = []
    for place, status, headers in walk(guarded):
        check_headers(place, status, headers)
        statuses.append(status)
    assert statuses.count(500) >= 5


def test_a_stream_has_them_from_its_first_byte(guarded: Any) -> None:
    with guarded.client.stream("GET", "/api/progress") as stream:
        check_headers("GET /api/progress", 200, stream.headers)
