"""Uploads as forms."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

BOUNDARY = "----edge"
MOST = 100_000  # bytes of an upload to `guarded`


def form(*parts: tuple[str, bytes], end: str = f"--{BOUNDARY}--\r\n") -> bytes:
    body = b""
    for disposition, content in parts:
        body += f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + content + b"\r\n"
    return body + end.encode()


def send(service: Any, content: Any, *, boundary: str = BOUNDARY, **params: Any) -> Any:
    headers = {"Content-Type": f'multipart/form-data; boundary="{boundary}"'}
    return service.client.post("/api/uploads", params=params, content=content, headers=headers)


@pytest.fixture(autouse=True)
def _nothing_is_left(guarded: Any) -> Iterator[None]:
    yield
    for job in guarded.client.get("/api/jobs").json()["items"]:
        guarded.client.delete(f"/api/jobs/{job['id']}")
    assert list(guarded.service.settings.uploads.iterdir()) == []
    assert guarded.service.media.kept_bytes == 0


@pytest.mark.parametrize("name", ["lobby.mp4", "Hof ä中.mp4"])
def test_curl_uploads_a_form(guarded: Any, make_video: Callable[..., Path], tmp_path: Path, name: str) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is missing")
    shutil.copy(make_video(2), tmp_path / name)
    header = f"Authorization: {guarded.client.headers['Authorization']}"
    command = [curl, "-s", "-H", header, "-F", "note=hello", "-F", f"file=@{name}", f"{guarded.url}/api/uploads"]
    subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    (job,) = guarded.client.get("/api/jobs").json()["items"]
    assert job["name"] == name
    (kept,) = guarded.service.settings.uploads.iterdir()
    assert kept.read_bytes() == make_video(2).read_bytes()


def test_a_form_that_arrives_byte_by_byte_is_the_same_file(guarded: Any, make_video: Callable[..., Path]) -> None:
    content = b"\r\n--" + make_video(2).read_bytes() + f"\r\n--{BOUNDARY[:-1]}".encode()
    body = form(('name="before"', b"x"), ('name="file"; filename="x.mp4"', content), ('name="after"', b"y"))
    whole, pieces = send(guarded, body), send(guarded, (body[i : i + 1] for i in range(len(body))))
    assert (whole.status_code, pieces.status_code) == (415, 415)  # no video begins like this
    body = form(('name="file"; filename="x.mp4"', make_video(2).read_bytes()))
    answer = send(guarded, (body[i : i + 7] for i in range(0, len(body), 7)))
    assert answer.status_code == 202, answer.text
    (kept,) = guarded.service.settings.uploads.iterdir()
    assert kept.read_bytes() == make_video(2).read_bytes()


def test_the_limit_of_size_is_that_of_the_file_in_the_form(guarded: Any, make_video: Callable[..., Path]) -> None:
    video = make_video(2).read_bytes()
    for size, status in ((MOST, 202), (MOST + 1, 413)):
        room = size - len(video)
        content = video + room.to_bytes(4, "big") + b"free" + bytes(room - 8)
        assert send(guarded, form(('name="file"; filename="x.mp4"', content))).status_code == status


def test_the_name_in_the_address_goes_before_that_of_the_form(guarded: Any, make_video: Callable[..., Path]) -> None:
    body = form(('name="file"; filename="x.mp4"', make_video(2).read_bytes()))
    assert send(guarded, body, name="yard.mp4").json()["name"] == "yard.mp4"


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (form(), 422, "no file"),
        (form(('name="file"', b"x")), 422, "no file"),
        (form(('name="file"; filename=""', b"")), 422, "no file"),
        (form(('name="a"; filename="a"', b"x"), ('name="b"; filename="b"', b"x")), 422, "several files"),
        (form(('name="a"; filename="a"', b"x"), end=""), 422, "ends early"),
        (form(('name="a"; filename="' + "x" * 256 + '"', b"x")), 422, "255"),
        (form(('name="a"', bytes(70_000)), ('name="b"; filename="b"', b"x")), 413, "beside the file"),
        (b"", 422, "damaged"),
        (b"nonsense", 422, "damaged"),
        (form(("x" * 100_000, b"x")), 422, "damaged"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_other_forms_are_refused_with_the_reason(guarded: Any, body: bytes, status: int, reason: str) -> None:
    answer = send(guarded, body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize("boundary", ["", "x" * 1000])
def test_a_form_without_a_usable_boundary_is_refused(guarded: Any, boundary: str) -> None:
    assert send(guarded, form(), boundary=boundary).status_code == 422


def test_what_follows_a_form_is_not_awaited(guarded: Any) -> None:
    address = urlsplit(guarded.url)
    head = (
        f"POST /api/uploads HTTP/1.1\r\nHost: {address.netloc}\r\nTransfer-Encoding: chunked\r\n"
        f"Authorization: {guarded.client.headers['Authorization']}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    )
    body = form(('name="file"; filename="x.mp4"', b"no video"))
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(head.encode() + f"{len(body):x}\r\n".encode() + body + b"\r\n")  # and no last chunk
        assert connection.recv(4096).startswith(b"HTTP/1.1 415 ")
