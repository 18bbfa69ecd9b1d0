"""Videos named by URLs, from a real server on the loopback."""

import http.server
import json
import socket
import tempfile
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from avadclip.apps.fetch import download, named_video

Command = Callable[..., tuple[int, str, str]]
CONTENTS = {  # `detector` takes every text for a video
    "/yard.mp4": b"sound",
    "/broken.mp4": b"broken",
    "/large.mp4": bytes(5000),
    "/page": b" <!DOCTYPE html><html>",
    "/..%2f..%2fa%0ab.mp4": b"sound",
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves files, redirects /to/URL to the URL, and leaves /slow.mp4 without an answer."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"]))
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/slow.mp4":
            self.server.is_ending.wait()
        elif self.path in CONTENTS:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENTS[self.path])))
            self.end_headers()
            self.wfile.write(CONTENTS[self.path])
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.is_ending = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> "Server":
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_ending.set()
        self.shutdown()
        self.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of temporary files, empty again after every command."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.glob("avadclip-*")) == []


def test_a_url_is_detected_in_and_named_in_the_result(
    server: Server, detector: Any, videos: Path, avadclip_command: Command
) -> None:
    code, out, err = avadclip_command("detect", f"{server.url}/yard.mp4", "yard/b.mp4", "--format", "json")
    assert (code, err) == (0, "")
    first, second = json.loads(out)
    assert (first["source"], second["source"]) == (f"{server.url}/yard.mp4", "yard/b.mp4")
    assert {event["source"] for event in first["events"]} == {f"{server.url}/yard.mp4"}
    assert first["events"][0]["id"] == "yard-0001"


def test_a_password_reaches_the_named_host_and_no_result(
    server: Server, detector: Any, avadclip_command: Command
) -> None:
    address = server.url.removeprefix("http://")
    urls = (f"http://me:a%20b@{address}/yard.mp4", f"http://me:secret@{address}/none.mp4")
    code, out, err = avadclip_command("detect", *urls, "--format", "json")
    assert code == 3
    assert server.asked[0] == ("/yard.mp4", f"Basic {b64encode(b'me:a b').decode()}")
    assert json.loads(out)[0]["source"] == f"http://***@{address}/yard.mp4"
    assert "secret" not in out + err


def test_redirects_stay_on_the_named_host_or_lead_to_the_public_internet(
    server: Server, detector: Any, avadclip_command: Command
) -> None:
    assert avadclip_command("detect", f"{server.url}/to//yard.mp4")[0] == 0
    assert avadclip_command("detect", f"{server.url}/to/{server.url}/yard.mp4")[0] == 0
    with Server() as other:
        elsewhere = f"http://localhost:{other.server_port}/yard.mp4"  # private, and another host
        code, out, err = avadclip_command("detect", f"{server.url}/to/{elsewhere}")
        assert other.asked == []
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "outside the public internet" in err


@pytest.fixture
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_video, "MAX_BYTES", 4000)
    monkeypatch.setattr(download, "SILENCE_SECONDS", 0.3)


@pytest.mark.usefixtures("low_limits")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/none.mp4", "the other server responded with status 404; check the URL"),
        ("/broken.mp4", "is not a video this tool reads; check that it plays"),
        ("/page", "the server sent a web page; give the URL of the video itself"),
        ("/large.mp4", "it is larger than 4e-06 GB; download it, and give the file"),
        ("/slow.mp4", "the other server is too slow; try again later"),
        ("/to//to//to//to//yard.mp4", "more than 3 redirects; give the final URL"),
        ("/to/ftp://127.0.0.1/yard.mp4", "only http and https URLs are fetched; give one of those"),
    ],
)
def test_what_cannot_be_had_is_one_line_that_names_the_url(
    server: Server,
    detector: Any,
    avadclip_command: Command,
    path: str,
    message: str,
) -> None:
    code, out, err = avadclip_command("detect", f"{server.url}{path}")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.count(f"{server.url}{path}") == 1
    assert err.endswith(f"{message}\n")


def test_a_server_that_is_not_there_is_one_line(detector: Any, avadclip_command: Command) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/yard.mp4"
        problem = "the other server is unreachable or closed the connection; try again later"
        assert avadclip_command("detect", url) == (1, "", f"avadclip: error: {url}: {problem}\n")


def test_a_full_disk_is_one_line(
    server: Server, detector: Any, avadclip_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(url: str, write: Callable[[bytes], None], **_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(named_video, "fetch", fail)
    code, _, err = avadclip_command("detect", f"{server.url}/yard.mp4")
    assert (code, err.count("\n")) == (1, 1)
    assert "(No space left on device); make room, or set TMPDIR" in err


def test_the_name_of_a_hostile_url_stays_inside_the_temporary_folder(
    server: Server, detector: Any, avadclip_command: Command, temporary: Path
) -> None:
    assert avadclip_command("detect", f"{server.url}/..%2f..%2fa%0ab.mp4")[0] == 0
    used = Path(detector.calls[0]["path"])
    assert used.parent.parent.parent == temporary
    assert used.name == "_.._a_b.mp4"


def test_an_interrupt_leaves_no_download(
    server: Server, detector: Any, avadclip_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CONTENTS, "/yard.mp4", b"interrupted")
    assert avadclip_command("detect", f"{server.url}/yard.mp4")[0] == 130
    assert len(detector.calls) == 1


def test_the_page_of_a_url_shows_the_copy_beside_it(
    server: Server, avadclip_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = tmp_path / "yard.mp4"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in range(60):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 4 * level, np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    monkeypatch.setitem(CONTENTS, "/yard.mp4", video.read_bytes())
    options = ("--no-sounds", "--report", str(tmp_path / "pages"))
    code, _, err = avadclip_command("detect", f"{server.url}/yard.mp4", *options)
    assert (code, err) == (0, "")
    assert (tmp_path / "pages" / "yard" / "original.mp4").read_bytes() == video.read_bytes()
    assert "original.mp4" in (tmp_path / "pages" / "yard" / "index.html").read_text()
    result = tmp_path / "pages" / "yard" / "detection.json"
    assert json.loads(result.read_text())["source"] == f"{server.url}/yard.mp4"
    again = ("report", str(result), "--out", str(tmp_path / "again"))
    code, _, err = avadclip_command(*again)
    assert (code, err.startswith(f"avadclip: note: {server.url}/yard.mp4 not found")) == (0, True)
    assert avadclip_command(*again, "--video", f"{server.url}/yard.mp4")[::2] == (0, "")
    assert (tmp_path / "again" / "yard" / "original.mp4").read_bytes() == video.read_bytes()
    code, out, _ = avadclip_command("extract", f"{server.url}/yard.mp4", "--out", str(tmp_path / "features"))
    assert (code, out) == (0, f"done  {tmp_path / 'features' / 'yard.safetensors'}\n")
