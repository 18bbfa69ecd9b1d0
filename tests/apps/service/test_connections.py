"""Clients that keep the server waiting, and logs that they try to fill."""

import contextlib
import json
import logging
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from service_fakes import Refusing

from avadclip.apps.service.http import connections
from avadclip.apps.service.links import LinkSigner
from avadclip.apps.service.logs import LINES_A_MINUTE, TRACES_A_MINUTE, FloodLimit, JsonLines
from avadclip.apps.service.settings import ServiceSettings

LIMIT = 20
HALF = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, running: Any) -> Iterator[Any]:
    """A service for few connections."""
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", LIMIT)
    with running(ServiceSettings(data=tmp_path), Refusing) as service:
        yield service


@pytest.fixture
def connect() -> Iterator[Callable[..., socket.socket]]:
    """Opens connections that send what they are given and no more."""
    with contextlib.ExitStack() as stack:

        def open_one(service: Any, data: bytes = b"") -> socket.socket:
            address = urlsplit(service.url)
            opened = stack.enter_context(socket.create_connection((address.hostname, address.port), timeout=20))
            opened.sendall(data)
            return opened

        yield open_one


def is_closed(connection: socket.socket) -> bool:
    """Waits for the server's last word."""
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(65536):
            pass
    return True


def healthz(service: Any) -> float:
    begin = time.monotonic()
    assert httpx2.get(f"{service.url}/healthz", timeout=10).status_code == 200
    return time.monotonic() - begin


def test_half_sent_heads_keep_nobody_out(
    crowded: Any, connect: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 600)
    half_sent = [connect(crowded, HALF) for _ in range(LIMIT + 10)]
    assert healthz(crowded) < 1
    assert all(is_closed(connection) for connection in half_sent[:10])


def test_clients_that_do_not_read_keep_nobody_out(
    crowded: Any, connect: Callable[..., socket.socket], wait_until: Callable[..., Any]
) -> None:
    request = b"GET /static/report/plotly.min.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for _ in range(LIMIT + 10):
        connect(crowded, request)
    wait_until(lambda: httpx2.get(f"{crowded.url}/healthz").status_code == 200, what="the buffers of all to be full")
    assert healthz(crowded) < 1


def test_who_comes_when_all_are_served_gets_a_reason(crowded: Any) -> None:
    with contextlib.ExitStack() as stack:
        streams = []
        for _ in range(LIMIT - 1):
            client = stack.enter_context(httpx2.Client(base_url=crowded.url, timeout=60))
            streams.append(stack.enter_context(client.stream("GET", "/api/progress")))
        refused = httpx2.get(f"{crowded.url}/healthz", timeout=10)
        assert refused.status_code == 503
        assert "too many connections" in refused.json()["detail"]
        assert "sandbox" in refused.headers["content-security-policy"]
        assert all(stream.status_code == 200 for stream in streams)
    assert healthz(crowded) < 1


@pytest.mark.parametrize("pieces", [1, 40])
def test_a_head_has_a_time_limit_however_it_trickles(
    crowded: Any, connect: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch, pieces: int
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    connection = connect(crowded, HALF)
    with contextlib.suppress(ConnectionError):
        for _ in range(pieces - 1):
            connection.sendall(b"x")
            time.sleep(0.05)
        assert pieces == 1
    assert is_closed(connection)


def test_a_silent_body_is_given_up_and_leaves_nothing(
    crowded: Any,
    connect: Callable[..., socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(connections, "HEAD_SECONDS", 600)
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.3)
    head = b"POST /api/uploads?name=x.mp4 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n"
    assert is_closed(connect(crowded, head + b"x" * 10))
    with httpx2.Client(base_url=crowded.url, timeout=60) as client:
        assert client.get("/api/jobs").json()["total"] == 0
    assert not list(crowded.service.settings.uploads.iterdir())
    assert [record.levelname for record in caplog.records if record.levelno > logging.INFO] == []
    assert [record.status for record in caplog.records if getattr(record, "path", "") == "/api/uploads"] == [499]


def test_a_stream_may_be_silent_for_longer_than_a_head(crowded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.1)
    with crowded.client.stream("GET", "/api/progress") as stream, httpx2.Client(base_url=crowded.url) as other:
        time.sleep(0.5)  # nothing to wait for: the promise is that nothing happens
        assert other.post("/api/jobs", json={"path": "x"}).status_code == 403
        assert not stream.is_closed


def test_what_is_no_http_gets_the_headers_of_every_response(
    crowded: Any, connect: Callable[..., socket.socket]
) -> None:
    answer = connect(crowded, b"NONSENSE\r\n\r\n").recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
    assert b"sandbox" in answer


def test_connections_fit_below_the_limit_of_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"now": (1024, 4096)}
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: limits.update(now=new))
    assert 2 * connections.raise_file_limit() < 4096 - 500
    assert limits["now"] == (4096, 4096)
    limits["now"] = (1024, resource.RLIM_INFINITY)
    assert connections.raise_file_limit() == connections.MAX_CONNECTIONS
    assert 2 * connections.MAX_CONNECTIONS < limits["now"][0] < 10_000


@pytest.fixture
def log_lines() -> Iterator[tuple[logging.Logger, list[dict[str, Any]]]]:
    """A logger, and what its handler writes."""
    written: list[dict[str, Any]] = []

    class Collected(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(self.format(record)))

    handler = Collected()
    handler.setFormatter(JsonLines())
    handler.addFilter(FloodLimit())
    logger = logging.getLogger("flood")
    logger.propagate = False
    logger.addHandler(handler)
    yield logger, written
    logger.removeHandler(handler)


def test_a_log_cannot_be_flooded_and_tells_what_it_left_out(
    log_lines: tuple[logging.Logger, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger, written = log_lines
    now = 1_000_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setattr(time, "time_ns", lambda: int(now * 1e9))

    def repeat(number: int) -> None:
        for count in range(number):
            logger.warning("again %d", count)

    repeat(LINES_A_MINUTE + 500)
    assert len(written) == LINES_A_MINUTE
    assert "left out" in written[-1]["limit"]
    logger.warning("something else")
    assert written[-1]["message"] == "something else"
    now += 60
    repeat(1)
    assert written[-1]["left_out"] == 500
    for _ in range(100):
        logger.error("failed", exc_info=OSError(24, "Too many open files"))
    assert sum("trace" in line for line in written) == TRACES_A_MINUTE


def test_a_log_has_no_keys_of_result_pages(log_lines: tuple[logging.Logger, list[dict[str, Any]]]) -> None:
    logger, written = log_lines
    key, _ = LinkSigner().key("0" * 32)
    try:
        raise ValueError(f"at /results/{key}/video")
    except ValueError:
        logger.exception("/results/%s/", key, extra={"path": f"/results/{key}"})
    assert key not in json.dumps(written)
    assert written[0]["path"] == "/results/KEY"
