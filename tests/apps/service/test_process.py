"""`avadclip serve` as an operator runs it: killed, restarted, and under load."""

import concurrent.futures
import contextlib
import hashlib
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from avadclip.apps.service.schemas import JobState
from avadclip.apps.service.store.store import Store

NUM_UPLOADS = 50
UPLOAD_BYTES = 8_000_000
PIECE_BYTES = 65_536
LIMITS = httpx2.Limits(max_connections=NUM_UPLOADS)
MEMORY_BYTES = 100_000_000  # a quarter of what is uploaded
PATIENCE_SECONDS = 120.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def serving(data: Path, log: Path, *options: str) -> Iterator[tuple[psutil.Process, httpx2.Client]]:
    """A service as a process of its own; ended with it is every child."""
    port = free_port()
    command = [sys.executable, "-m", "avadclip", "serve", "--model", "starter-1", "--data", str(data)]
    command += ["--port", str(port), *options]
    with log.open("ab") as stderr:
        process = subprocess.Popen(command, stderr=stderr)
    try:
        client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS, limits=LIMITS)
        yield psutil.Process(process.pid), client
    finally:
        process.terminate()
        process.wait()


def answers(client: httpx2.Client) -> bool:
    with contextlib.suppress(httpx2.TransportError):
        return client.get("/healthz").status_code == 200
    return False


def all_ended(client: httpx2.Client, num_jobs: int) -> list[dict[str, Any]] | None:
    jobs = client.get("/api/jobs", params={"limit": 1000}).json()["items"]
    assert len(jobs) == num_jobs
    return jobs if all(job["state"] in ("done", "failed") for job in jobs) else None


def wait_for_progress(client: httpx2.Client, job_id: str) -> None:
    with client.stream("GET", f"/api/jobs/{job_id}/progress") as stream:
        for line in stream.iter_lines():
            if line.startswith("data: ") and (json.loads(line[6:])["progress"] or 0) > 0:
                return
    pytest.fail("the job ended before it told its progress")


def test_the_address_is_one_plain_line_and_requests_are_logged_on_demand(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    for options, is_json in (((), False), (("--log-format", "json"), True)):
        log = tmp_path / f"{is_json}.log"
        with serving(tmp_path / "data", log, *options) as (_, client):
            wait_until(lambda: answers(client), what="the service")
            line = f"avadclip is at {str(client.base_url).rstrip('/')} (Ctrl-C stops it)"
            wait_until(lambda: line in log.read_text().splitlines(), what="the address")  # noqa: B023
        others = [each for each in log.read_text().splitlines() if each != line]
        assert is_json == any("/healthz" in each for each in others)
        assert all(json.loads(each)["level"] for each in others) if is_json else others == []


def test_a_job_whose_service_is_killed_ends_after_the_restart_once_and_whole(
    make_database: Callable[[Path], str],
    tmp_path: Path,
    sample_videos: tuple[Path, Path],
    wait_until: Callable[..., Any],
) -> None:
    fight = sample_videos[1].read_bytes()
    url, log, data = make_database(tmp_path), tmp_path / "log", tmp_path / "data"
    with serving(data, log, "--database", url) as (process, client):
        wait_until(lambda: answers(client), what="the service")
        made = [client.post(f"/api/uploads?name={name}.mp4", content=fight).json()["id"] for name in ("a", "b")]
        wait_for_progress(client, made[0])
        children = process.children(recursive=True)
        for child in children:
            child.suspend()  # so that the job cannot end before the kill
        process.send_signal(signal.SIGKILL)
        process.wait()
        for child in children:
            child.resume()
        _, alive = psutil.wait_procs(children, timeout=PATIENCE_SECONDS)
        assert alive == []

    store = Store(url)
    states = {job.id: (job.state, job.attempts) for job in store.jobs(limit=9)[0]}
    store.close()
    assert states == {made[0]: (JobState.RUNNING, 1), made[1]: (JobState.QUEUED, 0)}

    with serving(data, log, "--database", url) as (_, client):
        wait_until(lambda: answers(client), what="the service again")
        jobs = {job["id"]: job for job in wait_until(lambda: all_ended(client, 2), what="both jobs")}
        assert [(jobs[job_id]["state"], jobs[job_id]["attempts"]) for job_id in made] == [("done", 2), ("done", 1)]
        for job_id in made:
            told = client.get(f"/api/jobs/{job_id}/result").json()["events"]
            kept = client.get("/api/events", params={"job": job_id}).json()["items"]
            assert [event["id"] for event in kept] == [event["id"] for event in told] == [f"{job_id}-0001"]
            assert (data / "uploads" / f"{job_id}.mp4").read_bytes() == fight
        assert sorted(path.name for path in (data / "results").iterdir()) == sorted(made)
        assert sorted(path.name for path in (data / "uploads").iterdir()) == sorted(f"{job}.mp4" for job in made)


class PeakMemory:
    """The most resident memory that a process has had since the last reset, from the kernel's own account."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def reset(self) -> None:
        (self._folder / "clear_refs").write_text("5")

    def read(self) -> int:
        lines = (self._folder / "status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))) * 1024


def test_fifty_uploads_at_the_same_time_are_all_kept_in_little_memory(
    tmp_path: Path,
    make_video: Callable[..., Path],
    wait_until: Callable[..., Any],
) -> None:
    # Too short to be scored: what counts here is that each arrives, and that its job comes to an end.
    video = make_video(0.25).read_bytes()
    free_bytes = UPLOAD_BYTES - len(video)
    head = video + free_bytes.to_bytes(4, "big") + b"free"

    def body(number: int) -> Iterator[bytes]:
        """A real video, then room of the file that nobody uses, filled with the upload's number."""
        yield head
        left = UPLOAD_BYTES - len(head)
        while left > 0:
            piece = bytes([number]) * min(left, PIECE_BYTES)
            left -= len(piece)
            yield piece

    start = threading.Barrier(NUM_UPLOADS)

    def upload(number: int) -> str:
        start.wait()
        answer = client.post(
            "/api/uploads",
            params={"name": f"{number}.mp4"},
            content=body(number),
            headers={"Content-Length": str(UPLOAD_BYTES)},
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    data = tmp_path / "data"
    with serving(data, tmp_path / "log") as (process, client):
        wait_until(lambda: answers(client), what="the service")
        peak = PeakMemory(process.pid)
        peak.reset()
        before = peak.read()
        with concurrent.futures.ThreadPoolExecutor(NUM_UPLOADS) as pool:
            made = list(pool.map(upload, range(NUM_UPLOADS)))
        growth = peak.read() - before
        assert len(set(made)) == NUM_UPLOADS
        jobs = {job["id"]: job for job in wait_until(lambda: all_ended(client, NUM_UPLOADS), what="the jobs")}
        for number, job_id in enumerate(made):
            assert (jobs[job_id]["name"], jobs[job_id]["state"]) == (f"{number}.mp4", "failed")
            assert jobs[job_id]["attempts"] == 1
            kept = hashlib.sha256((data / "uploads" / f"{job_id}.mp4").read_bytes())
            assert kept.digest() == hashlib.sha256(b"".join(body(number))).digest()
        assert growth < MEMORY_BYTES


@pytest.mark.parametrize(
    ("options", "reason"),
    [(["--host", "0.0.0.0"], "--token-file"), (["--folder", "/does/not/exist"], "is not a folder")],
)
def test_what_must_not_be_served_is_one_line(
    avadclip_command: Callable[..., Any], tmp_path: Path, options: list[str], reason: str
) -> None:
    code, _, err = avadclip_command("serve", "--data", str(tmp_path), *options)
    assert code == 1
    assert reason in err
    assert err.count("\n") == 1


def test_a_model_that_is_missing_ends_the_command_with_one_line(tmp_path: Path) -> None:
    with serving(tmp_path, tmp_path / "log", "--model", "/does/not/exist.safetensors") as (process, _):
        assert process.wait(PATIENCE_SECONDS) == 1
    log = (tmp_path / "log").read_text()
    assert "exist.safetensors" in log.splitlines()[-1]
    assert log.splitlines()[-1].startswith("avadclip: error: ")
    assert "Traceback" not in log
