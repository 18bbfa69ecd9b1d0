"""What the service turns down, with which status, and in one line."""

import contextlib
import http.client
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from service_fakes import Refusing

from avadclip.apps.service.links import HOURS
from avadclip.apps.service.logs import JsonLines
from avadclip.apps.service.server import check_exposure
from avadclip.apps.service.settings import ServiceSettings, read_tokens, resolve_folders
from avadclip.errors import ConfigError

TOKENS = {"ann": "a" * 20 + "1", "ben": "b" * 20 + "2"}  # of `guarded`


def check_problem(answer: Any, status: int) -> str:
    """The one line of a problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert "\n" not in problem["detail"]
    assert "Traceback" not in answer.text
    return str(problem["detail"])


@pytest.fixture
def padded(make_video: Callable[..., Path]) -> Callable[[int], bytes]:
    """A real video of exactly so many bytes: mp4 may hold room that nobody uses."""
    content = make_video(2).read_bytes()

    def pad(size: int) -> bytes:
        free = size - len(content)
        return content + free.to_bytes(4, "big") + b"free" + bytes(free - 8)

    return pad


def test_the_right_token_opens_and_names_its_owner(guarded: Any) -> None:
    for name, token in TOKENS.items():
        assert guarded.client.get("/api/events", headers={"Authorization": f"Bearer {token}"}).status_code == 200
        assert guarded.client.get("/api/audit").json()["items"][0]["who"] == name


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer wrong", f"Bearer {TOKENS['ann']}x", f"Bearer {TOKENS['ann'][:-1]}",
     f"Basic {TOKENS['ann']}", TOKENS["ann"], "Bearer \xff\xfe"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/api/jobs", "/api/events", "/api/audit", "/api/version", "/metrics", "/nowhere"])
def test_without_a_valid_token_nothing_is_revealed(guarded: Any, path: str, authorization: str) -> None:
    answer = guarded.client.get(path, headers={"Authorization": authorization.encode("latin-1")})
    check_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_bad_token_uploads_nothing(guarded: Any, make_video: Callable[..., Path]) -> None:
    before = guarded.service.media.kept_bytes
    answer = guarded.client.post(
        "/api/uploads?name=x.mp4", content=make_video(2).read_bytes(), headers={"Authorization": "Bearer wrong"}
    )
    check_problem(answer, 401)
    assert guarded.service.media.kept_bytes == before


@pytest.mark.parametrize("path", ["/", "/healthz", "/static/main.js", "/docs", "/openapi.json"])
def test_routes_without_video_data_are_open(guarded: Any, path: str) -> None:
    assert guarded.client.get(path, headers={"Authorization": ""}).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["../secret.mp4", "deep/../../secret.mp4", "/etc/passwd", "/etc/does-not-exist", "out.mp4", "up/secret.mp4",
     "deep/../up/secret.mp4", "/proc/self/environ", "yard.mp4\x00.mp4", "~/x.mp4/../../../../../../etc/passwd"],
)  # fmt: skip
def test_no_path_leads_out_of_the_allowed_folders(guarded: Any, path: str) -> None:
    detail = check_problem(guarded.client.post("/api/jobs", json={"path": path}), 403)
    assert "secret" not in detail
    assert "/" not in detail


@pytest.mark.parametrize(
    ("path", "status"),
    [("missing.mp4", 404), ("deep", 404), ("notes.txt", 415), ("x" * 300 + ".mp4", 404), ("yard.mp4/x", 404)],
)
def test_what_is_no_video_in_an_allowed_folder(guarded: Any, path: str, status: int) -> None:
    check_problem(guarded.client.post("/api/jobs", json={"path": path}), status)


def test_a_link_put_in_place_of_a_file_is_not_followed_later(
    tmp_path: Path, running: Any, make_video: Callable[..., Path], wait_until: Callable[..., Any]
) -> None:
    folder = tmp_path / "allowed"
    folder.mkdir()
    (folder / "x.mp4").write_bytes(make_video(2).read_bytes())
    (tmp_path / "secret.mp4").write_bytes(make_video(2).read_bytes())
    settings = ServiceSettings(data=tmp_path / "data", folders=resolve_folders([folder]))
    with running(settings, Refusing) as service:
        wait_until(lambda: service.service.runner.is_ready, what="the worker")
        store, claim = service.service.store, service.service.store.claim_next
        store.claim_next = lambda: None  # nothing begins until the file has been exchanged
        job_id = service.client.post("/api/jobs", json={"path": "x.mp4"}).json()["id"]
        (folder / "x.mp4").unlink()
        (folder / "x.mp4").symlink_to(tmp_path / "secret.mp4")
        store.claim_next = claim
        service.service.runner.wake()
        ended = wait_until(lambda: _ended(service, job_id), what="the job")
    assert "no longer in an allowed folder" in ended["error"]


def _ended(service: Any, job_id: str) -> Any:
    job = service.client.get(f"/api/jobs/{job_id}").json()
    return job if job["state"] in ("done", "failed") else None


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(99), b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
     b"ffconcat version 1.0\nfile /etc/passwd\n", bytes(50_000)],
    ids=["empty", "text", "picture", "playlist", "concat", "zeros"],
)  # fmt: skip
def test_uploads_are_judged_by_content(guarded: Any, content: bytes) -> None:
    before = guarded.service.media.kept_bytes
    detail = check_problem(guarded.client.post("/api/uploads?name=x.mp4", content=content), 415)
    assert detail.startswith("x.mp4 ")
    assert str(guarded.service.settings.data) not in detail
    assert guarded.service.media.kept_bytes == before
    assert not list(guarded.service.settings.uploads.glob("*.partial"))


def test_a_video_of_the_largest_size_is_taken_and_one_byte_more_is_not(
    guarded: Any, padded: Callable[[int], bytes]
) -> None:
    taken = guarded.client.post("/api/uploads?name=x.mp4", content=padded(100_000))
    assert taken.status_code == 202
    check_problem(guarded.client.post("/api/uploads?name=x.mp4", content=padded(100_001)), 413)
    guarded.client.delete(f"/api/jobs/{taken.json()['id']}")


def test_an_upload_of_undeclared_size_is_cut_at_the_limit(guarded: Any, padded: Callable[[int], bytes]) -> None:
    def chunks() -> Iterator[bytes]:
        content = padded(100_001)
        for start in range(0, len(content), 10_000):
            yield content[start : start + 10_000]

    with contextlib.suppress(httpx2.TransportError):  # the service may close before it has read everything
        check_problem(guarded.client.post("/api/uploads?name=x.mp4", content=chunks()), 413)
    assert not list(guarded.service.settings.uploads.iterdir())


def test_the_quota_holds_and_deletion_makes_room(guarded: Any, padded: Callable[[int], bytes]) -> None:
    first = guarded.client.post("/api/uploads?name=x.mp4", content=padded(90_000)).json()["id"]
    check_problem(guarded.client.post("/api/uploads?name=x.mp4", content=padded(90_000)), 507)
    guarded.client.delete(f"/api/jobs/{first}")
    second = guarded.client.post("/api/uploads?name=x.mp4", content=padded(90_000))
    assert second.status_code == 202
    guarded.client.delete(f"/api/jobs/{second.json()['id']}")


def test_a_broken_off_upload_leaves_nothing(
    guarded: Any, padded: Callable[[int], bytes], wait_until: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    before = guarded.service.media.kept_bytes
    address = urlsplit(guarded.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        head = f"POST /api/uploads?name=x.mp4 HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 90000\r\n"
        connection.sendall(f"{head}Authorization: Bearer {TOKENS['ann']}\r\n\r\n".encode() + padded(90_000)[:50_000])
        wait_until(lambda: list(guarded.service.settings.uploads.glob("*.partial")), what="the upload")
    wait_until(lambda: not list(guarded.service.settings.uploads.glob(".*.partial")), what="the clean-up")
    wait_until(lambda: any(getattr(record, "status", 0) == 499 for record in caplog.records), what="a line in the log")
    assert all(record.levelno == logging.INFO for record in caplog.records)
    assert guarded.service.media.kept_bytes == before


def test_a_video_that_is_too_long_is_refused(guarded: Any, make_video: Callable[..., Path]) -> None:
    detail = check_problem(
        guarded.client.post("/api/uploads?name=x.mp4", content=make_video(12, rate=5).read_bytes()), 422
    )
    assert "the limit is 10 s" in detail


def test_a_full_disk_is_reported(tmp_path: Path, running: Any, make_video: Callable[..., Path]) -> None:
    settings = ServiceSettings(data=tmp_path, min_free_bytes=2**60)
    with running(settings, Refusing) as service:
        check_problem(service.client.post("/api/uploads?name=x.mp4", content=make_video(2).read_bytes()), 507)


@pytest.mark.parametrize("name", ["../../etc/cron.d/x.mp4", "..\\..\\x.mp4", "/etc/x.mp4", "a\r\nb/x.mp4", "x.mp4/.."])
def test_a_clients_file_name_decides_nothing(guarded: Any, make_video: Callable[..., Path], name: str) -> None:
    answer = guarded.client.post("/api/uploads", params={"name": name}, content=make_video(2).read_bytes())
    job = answer.json()
    assert "/" not in job["name"]
    assert "\\" not in job["name"]
    files = [path.name for path in guarded.service.settings.uploads.iterdir()]
    assert [name.removesuffix(".mp4") for name in files] == [job["id"]]
    guarded.client.delete(f"/api/jobs/{job['id']}")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[::ffff:7f00:1]", "", "a@127.0.0.1:b"])
def test_another_name_for_the_service_is_refused(guarded: Any, host: str) -> None:
    check_problem(guarded.client.get("/api/jobs", headers={"Host": host}), 421)


@pytest.mark.parametrize("host", ["127.0.0.1:80", "LOCALHOST", "localhost.", "[::1]:9"])
def test_its_own_names_are_known(guarded: Any, host: str) -> None:
    assert guarded.client.get("/api/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://["])
def test_pages_of_other_sites_change_nothing(guarded: Any, origin: str) -> None:
    check_problem(guarded.client.post("/api/jobs", json={"path": "yard.mp4"}, headers={"Origin": origin}), 403)
    assert guarded.client.get("/api/jobs", headers={"Origin": origin}).status_code == 200
    assert "access-control-allow-origin" not in guarded.client.get("/api/jobs", headers={"Origin": origin}).headers


@pytest.mark.parametrize(
    "name", ["x" * 300, "../store.sqlite", "..%2f..%2favadclip.sqlite", "%2e%2e/lock", "detection.json%00"]
)
def test_a_results_link_opens_nothing_else(guarded: Any, tmp_path: Path, name: str) -> None:
    job_id = guarded.client.post("/api/jobs", json={"path": "yard.mp4"}).json()["id"]
    folder = guarded.service.media.result_folder(job_id)
    folder.mkdir(exist_ok=True)
    key, _ = guarded.service.links.key(job_id)
    address = urlsplit(guarded.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.request("GET", f"/results/{key}/{name}")  # http.client sends the path as it is
    assert connection.getresponse().status == 404
    connection.close()
    guarded.client.delete(f"/api/jobs/{job_id}")


@pytest.mark.parametrize("letter", ["x", "ä", "中"])
def test_a_file_name_is_kept_whole_or_refused(guarded: Any, make_video: Callable[..., Path], letter: str) -> None:
    content = make_video(2).read_bytes()
    name = letter * 251 + ".mp4"
    job = guarded.client.post("/api/uploads", params={"name": name}, content=content).json()
    assert job["name"] == name
    guarded.client.delete(f"/api/jobs/{job['id']}")
    check_problem(guarded.client.post("/api/uploads", params={"name": letter + name}, content=content), 422)


def test_a_link_works_for_its_job_and_its_time_only(guarded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    links = guarded.service.links
    job_id, other = "0" * 32, "1" * 32
    key, expires_at = links.key(job_id)
    assert links.opens(key) == job_id
    assert links.opens(key.replace(job_id, other)) is None
    assert links.opens(key.replace(str(int(expires_at)), str(int(expires_at) + 1))) is None
    assert links.opens(key[:-1] + ("0" if key[-1] != "0" else "1")) is None
    monkeypatch.setattr(links, "_clock_offset", links._clock_offset + HOURS * 3600)
    assert links.opens(key) is None
    answer = guarded.client.get(f"/results/{key}/", headers={"Authorization": ""})
    assert (answer.status_code, answer.headers["location"]) == (303, f"../../?job={job_id}")
    check_problem(guarded.client.get(f"/results/{key}/video", headers={"Authorization": ""}), 403)


def test_an_unexpected_error_reveals_nothing_to_clients(guarded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError("inner secrets")

    monkeypatch.setattr(guarded.service.store, "labels", fail)
    detail = check_problem(guarded.client.get("/api/labels"), 500)
    assert "secrets" not in detail


def test_an_unexpected_error_on_a_result_page_is_logged_once_without_its_key(
    guarded: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Any) -> None:
        raise ZeroDivisionError(f"at {key}")

    key, _ = guarded.service.links.key("0" * 32)
    monkeypatch.setattr(guarded.service.store, "job", fail)
    number = check_problem(guarded.client.get(f"/results/{key}/video"), 500).split("logged as ")[1][:12]
    lines = [JsonLines().format(record) for record in caplog.records]
    assert [number in line and "ZeroDivisionError" in line for line in lines if '"error"' in line] == [True]
    assert all(key not in line for line in lines)


def test_a_long_body_that_is_no_upload_is_refused(guarded: Any) -> None:
    check_problem(guarded.client.post("/api/jobs", json={"path": "x" * 100_000}), 413)
    endless = (b"x" * 10_000 for _ in range(10))  # sent without a length
    check_problem(guarded.client.post("/api/jobs", content=endless), 413)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5"])
def test_other_machines_need_a_token(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="--token-file"):
        check_exposure(host, ServiceSettings(data=tmp_path))
    check_exposure(host, ServiceSettings(data=tmp_path, tokens=TOKENS))
    check_exposure("127.0.0.1", ServiceSettings(data=tmp_path))


def test_token_files(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text("# people\nann: aaaaaaaaaaaaaaaaaaaa\n\nben:bbbbbbbbbbbbbbbbbbbb\n")
    assert read_tokens(path) == {"ann": "a" * 20, "ben": "b" * 20}


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "no token"), ("ann: short", "20 ASCII"), ("a" * 30, "20 ASCII"), (f"a: {'x' * 20}\nb: {'x' * 20}", "unique"),
     (f"a: {'x' * 20}\na: {'y' * 20}", "unique")],
)  # fmt: skip
def test_bad_token_files(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(content)
    with pytest.raises(ConfigError, match=reason):
        read_tokens(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_tokens(tmp_path / "missing")
