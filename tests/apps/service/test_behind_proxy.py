"""The service at a path of another site, behind a real nginx."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from service_fakes import Refusing

from avadclip.apps.service.jobs.worker import load_by_name
from avadclip.apps.service.settings import ServiceSettings

CONFIGURATION = """
daemon off; pid nginx.pid; error_log stderr notice; {user}
events {{}}
http {{
  access_log off; client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 0;
    location /there/it/is/ {{
      proxy_pass {url}/;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      {prefix}
      proxy_buffering off;
      proxy_request_buffering off;
    }}
  }}
}}
"""
PREFIX = "/there/it/is"


@contextlib.contextmanager
def nginx(folder: Path, url: str, *, sends_prefix: bool) -> Iterator[str]:
    """Address of the service at a proxy."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is missing; run `make setup-system`")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    prefix = f"proxy_set_header X-Forwarded-Prefix {PREFIX}/;" if sends_prefix else ""
    user = "user root;" if os.geteuid() == 0 else ""
    folder.joinpath("nginx.conf").write_text(CONFIGURATION.format(port=port, url=url, prefix=prefix, user=user))
    process = subprocess.Popen([program, "-p", str(folder), "-c", "nginx.conf"], stderr=subprocess.PIPE, text=True)
    try:
        assert any("start worker process" in line for line in process.stderr or [])
        yield f"http://127.0.0.1:{port}{PREFIX}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, running: Any) -> Iterator[str]:
    """The service's address at a proxy that sends the prefix, or of which the option tells."""
    by_header = request.param == "header"
    settings = ServiceSettings(data=tmp_path_factory.mktemp("data"), root_path="" if by_header else PREFIX)
    with (
        running(settings, partial(load_by_name, "starter-1", None, "cpu")) as service,
        nginx(tmp_path_factory.mktemp("nginx"), service.url, sends_prefix=by_header) as address,
    ):
        yield address


@pytest.mark.system
@pytest.mark.parametrize("site", ["header"], indirect=True)
def test_page_upload_result_and_documentation_work_below_the_prefix(
    site: str, browser: Any, make_video: Callable[..., Path]
) -> None:
    context = browser.new_context()
    tab = context.new_page()
    complaints: list[str] = []
    requests: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(site)  # without a slash
    tab.wait_for_selector("#status[data-state=ready]")
    tab.set_input_files("#files", make_video(2))
    tab.locator(".job[data-state=done] a").click()
    tab.wait_for_url(re.compile(f"{PREFIX}/results/"))
    tab.wait_for_selector("#chart[data-ready]")
    tab.wait_for_function("document.getElementById('video').readyState >= 2")
    tab.click("a.back")
    tab.wait_for_selector("#status[data-state=ready]")
    tab.click("footer a")
    tab.locator(".opblock-summary-path").first.wait_for()
    context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith((site, "data:", "blob:"))] == []


@pytest.mark.system
@pytest.mark.parametrize("site", ["header", "option"], indirect=True)
def test_addresses_in_responses_lead_through_the_proxy(site: str, make_video: Callable[..., Path]) -> None:
    with httpx2.Client(timeout=60) as client:
        made = client.post(f"{site}/api/uploads?name=x.mp4", content=make_video(2).read_bytes())
        assert made.headers["location"] == f"{PREFIX}/api/jobs/{made.json()['id']}"
        assert client.get(site + "/openapi.json").json()["servers"] == [{"url": PREFIX}]
        with client.stream("GET", f"{site}/api/jobs/{made.json()['id']}/progress") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            stream.read()
        link = client.post(f"{site}/api/jobs/{made.json()['id']}/link").json()["href"]
        assert link.startswith(f"{PREFIX}/results/")
        origin = site.removesuffix(PREFIX)
        assert client.get(origin + link).status_code == 200
        assert client.get(f"{origin}{link}video", headers={"Range": "bytes=0-9"}).status_code == 206
        for address in (site, f"{origin}{link[:-1]}"):  # without the slash at their end
            assert str(client.get(address, follow_redirects=True).url) == f"{address}/"
        expired = client.get(origin + re.sub(r"\.[0-9]+\.", ".1.", link), follow_redirects=True)
        assert str(expired.url) == f"{site}/?job={made.json()['id']}"
        entry = client.get(f"{site}/api/audit?limit=1").json()["items"][0]
        assert entry["path"] == f"/api/jobs/{made.json()['id']}/link"


@pytest.mark.parametrize(
    ("trusted", "prefix", "expected"),
    [
        ("127.0.0.1", "/there", "/there"),
        ("127.0.0.1", "/there/", "/there"),
        ("10.0.0.1", "/there", "/own"),
        ("127.0.0.1", "//elsewhere.example", "/own"),
        ("127.0.0.1", "/a b", "/own"),
        ("127.0.0.1", "https://elsewhere.example", "/own"),
        ("127.0.0.1", "/a, /b", "/own"),
        ("127.0.0.1", "", "/own"),
    ],
)
def test_a_prefix_comes_from_a_trusted_proxy_or_the_operator(
    running: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, trusted: str, prefix: str, expected: str
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    with running(ServiceSettings(data=tmp_path, root_path="/own"), Refusing) as service:
        document = service.client.get("/openapi.json", headers={"X-Forwarded-Prefix": prefix}).json()
    assert document["servers"] == [{"url": expected}]


def test_a_prefix_opens_nothing_that_needs_a_token(guarded: Any) -> None:
    for prefix in ("/static", "/api", "/results", "/x"):
        for path in ("/api/jobs", f"{prefix}/api/jobs", "/metrics", "//api/jobs"):
            answer = guarded.client.get(path, headers={"X-Forwarded-Prefix": prefix, "Authorization": ""})
            assert answer.status_code in (401, 403, 404), (prefix, path)


@pytest.mark.parametrize("path", ["avadclip", "/a//b"])
def test_other_root_paths_are_refused(avadclip_command: Callable[..., Any], tmp_path: Path, path: str) -> None:
    code, _, err = avadclip_command("serve", "--data", str(tmp_path), "--root-path", path)
    assert code == 2
    assert "/avadclip" in err
