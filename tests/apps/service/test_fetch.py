"""Fetching from URLs: what is allowed, and the ways around it that are closed."""

import functools
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import service_fakes

from avadclip.apps.fetch import download
from avadclip.apps.fetch.download import FetchError, FetchRules, check_url
from avadclip.apps.service.settings import ServiceSettings

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves one video, and some trouble."""

    def __init__(self, content: bytes, asked: list[str], *args: Any) -> None:
        self.content, self.asked = content, asked
        super().__init__(*args)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path.startswith("/raw/"):
            self.send_response(302)
            self.send_header("Location", unquote(self.path.removeprefix("/raw")).encode().decode("latin-1"))
            self.end_headers()
        elif self.path in ("/yard.mp4", "/%C3%A4-yard.mp4"):
            self.answer(self.content)
        elif self.path == "/short.mp4":
            self.answer(self.content[:100], length=len(self.content))
        elif self.path == "/large.mp4":
            self.answer(self.content + bytes(200_000))
        elif self.path == "/page.mp4":
            self.answer(b"<html>")
        else:
            self.send_error(404)

    def answer(self, content: bytes, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length or len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        pass


class Elsewhere:
    """A server of somebody else."""

    def __init__(self, port: int, asked: list[str]) -> None:
        self.port, self.asked = port, asked


@pytest.fixture(scope="module")
def elsewhere(make_video: Callable[..., Path]) -> Iterator[Elsewhere]:
    asked: list[str] = []
    handler = functools.partial(Handler, make_video(2).read_bytes(), asked)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Elsewhere(server.server_port, asked)
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def fetching(tmp_path_factory: pytest.TempPathFactory, running: Any) -> Iterator[Any]:
    """A service that may fetch from `localhost`, which an operator allowed."""
    settings = ServiceSettings(
        data=tmp_path_factory.mktemp("fetching"),
        fetch_hosts=frozenset(["localhost"]),
        fetch_networks=LOOPBACK,
        max_upload_bytes=100_000,
    )
    with running(settings, service_fakes.Refusing) as service:
        yield service


def ask(service: Any, elsewhere: Elsewhere, path: str, host: str = "localhost") -> Any:
    return service.client.post("/api/jobs", json={"url": f"http://{host}:{elsewhere.port}{path}"})


@pytest.mark.parametrize("path", ["/yard.mp4", "/to//yard.mp4", "/to//to//to//yard.mp4"])
def test_an_allowed_url_becomes_a_job(
    fetching: Any, elsewhere: Elsewhere, make_video: Callable[..., Path], path: str
) -> None:
    answer = ask(fetching, elsewhere, path)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["name"], job["origin"]) == ("yard.mp4", "url")
    kept = fetching.service.settings.uploads / f"{job['id']}.mp4"
    assert kept.read_bytes() == make_video(2).read_bytes()


@pytest.mark.parametrize("path", ["/ä-yard.mp4", "/%C3%A4-yard.mp4", "/raw/%C3%A4-yard.mp4"])
def test_an_address_may_have_letters_outside_ascii(fetching: Any, elsewhere: Elsewhere, path: str) -> None:
    answer = ask(fetching, elsewhere, path)
    assert answer.status_code == 202, answer.text
    assert answer.json()["name"] == "ä-yard.mp4"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/page.mp4", 415),
        ("/large.mp4", 413),
        ("/missing.mp4", 502),
        ("/short.mp4", 502),
        ("/to//to//to//to//yard.mp4", 502),
        ("/to/http://127.0.0.1/yard.mp4", 403),
        ("/to/file:///etc/passwd", 403),
        ("/to/https://localhost/yard.mp4", 403),
        ("/to/http://[::1", 502),
        ("/to/http://localhost:99999/yard.mp4", 403),
        ("/to/http://localhost:x/yard.mp4", 403),
        ("/to/", 502),
        ("/to//a b", 403),
        ("/to/http://169.254.169.254/latest/meta-data", 403),
    ],
)
def test_what_comes_of_other_urls(fetching: Any, elsewhere: Elsewhere, path: str, status: int) -> None:
    before = set(fetching.service.settings.uploads.iterdir())
    answer = ask(fetching, elsewhere, path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(fetching.service.settings.uploads.iterdir()) == before


def test_a_full_disk_is_not_the_other_servers_fault(
    fetching: Any, elsewhere: Elsewhere, fill_disk_of_uploads: Callable[[], None]
) -> None:
    fill_disk_of_uploads()
    refused = ask(fetching, elsewhere, "/yard.mp4")
    assert refused.status_code == 507
    assert "No space left on device" in refused.json()["detail"]


def test_a_host_that_is_not_allowed_gets_no_request(fetching: Any, elsewhere: Elsewhere) -> None:
    elsewhere.asked.clear()
    assert ask(fetching, elsewhere, "/yard.mp4", host="127.0.0.1").status_code == 403
    assert elsewhere.asked == []


def test_an_allowed_host_in_a_private_network_gets_no_request(
    tmp_path: Path, running: Any, elsewhere: Elsewhere
) -> None:
    settings = ServiceSettings(data=tmp_path, fetch_hosts=frozenset(["localhost"]))
    elsewhere.asked.clear()
    with running(settings, service_fakes.Refusing) as service:
        assert ask(service, elsewhere, "/yard.mp4").status_code == 403
    assert elsewhere.asked == []


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Lets every name have these addresses; returns the list of names that are asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_options: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(download.socket, "getaddrinfo", getaddrinfo)
    return asked


RULES = FetchRules(frozenset(["videos.example"]), (ip_network("10.1.0.0/16"),))


@pytest.mark.parametrize("address", ["93.184.215.14", "10.1.2.3", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    asked = resolving(monkeypatch, address)
    target = check_url("http://videos.example/a.mp4", RULES)
    assert (target.address, target.port, target.host) == (address, 80, "videos.example")

    connected = []
    monkeypatch.setattr(download.socket, "create_connection", lambda place, _timeout: connected.append(place))
    download._connect(target)
    assert connected == [(address, 80)]
    assert asked == ["videos.example"]


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["fec0::1"], ["10.2.0.1"]])
def test_every_address_of_the_name_must_be_allowed(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    resolving(monkeypatch, *addresses)
    with pytest.raises(FetchError) as refused:
        check_url("http://videos.example/a.mp4", RULES)
    assert refused.value.status == 403


@pytest.mark.parametrize(
    "url",
    [
        "ftp://videos.example/a.mp4", "file:///etc/passwd", "rtsp://videos.example/a", "gopher://videos.example/",
        "//x", "videos.example/a.mp4", "http://", "http://ann:secret@videos.example/a.mp4",
        "http://videos.example@evil.example/",
        "http://evil.example/?videos.example", "http://videos.example.evil.example/", "http://[::1", "http://x:99999/",
        "http://videos.example/a b", "http://videos.example/a\r\nHost: x", "http://0x7f.1/", "http://2130706433/",
        "concat:http://videos.example/a|file:/etc/passwd",
    ],
)  # fmt: skip
def test_no_other_url_is_resolved(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    asked = resolving(monkeypatch, "93.184.215.14")
    with pytest.raises(FetchError) as refused:
        check_url(url, RULES)
    assert refused.value.status == 403
    assert "secret" not in str(refused.value)
    assert asked == []


def test_a_slow_server_is_given_up(fetching: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(download, "SILENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://localhost:{silent.getsockname()[1]}/a.mp4"
        assert fetching.client.post("/api/jobs", json={"url": url}).status_code == 504
