"""The API over real HTTP, with the starter model in its child process."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avadclip.inference.detector import load_detector
from avadclip.report.exports import to_document

STATES = ["queued", "running", "done"]


def upload(served: Any, path: Path, name: str = "yard.mp4") -> dict[str, Any]:
    answer = served.client.post("/api/uploads", params={"name": name}, content=path.read_bytes())
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/api/jobs/{answer.json()['id']}"
    return answer.json()


def follow(served: Any, job_id: str) -> list[dict[str, Any]]:
    """Every state that the stream of a job tells, which ends with the job."""
    with served.client.stream("GET", f"/api/jobs/{job_id}/progress") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]


@pytest.fixture(scope="module")
def fight(served: Any, sample_videos: tuple[Path, Path]) -> dict[str, Any]:
    """The job of a video in which the starter finds something; done."""
    job = upload(served, sample_videos[1], "bikes.mp4")
    return follow(served, job["id"])[-1]


def test_a_jobs_stream_reports_its_progress_to_the_end(served: Any, make_video: Callable[..., Path]) -> None:
    upload(served, make_video(20))  # what is followed waits behind it, and cannot be over before the stream begins
    told = follow(served, upload(served, make_video(20))["id"])
    states = [state["state"] for state in told]
    assert sorted(states, key=STATES.index) == states
    assert states[-1] == "done"
    shares = [state["progress"] for state in told if state["state"] == "running" and state["progress"] is not None]
    assert len(shares) >= 2
    assert shares == sorted(shares)
    assert all(0 < share <= 1 for share in shares)


def test_a_result_is_what_the_library_finds(
    served: Any, fight: dict[str, Any], sample_videos: tuple[Path, Path]
) -> None:
    found = json.loads(
        json.dumps(to_document(load_detector("starter-1").detect(sample_videos[1]), include_scores=True))
    )
    result = served.client.get(f"/api/jobs/{fight['id']}/result").json()
    for document in (found, result):
        del document["source"]
        for event in document["events"]:
            del event["id"], event["source"], event["snapshot"]
    assert result == found
    assert fight["num_events"] == len(found["events"]) > 0
    assert fight["duration_seconds"] == found["media"]["duration_seconds"]


def test_events_of_a_result_are_found_by_search(served: Any, fight: dict[str, Any]) -> None:
    result = served.client.get(f"/api/jobs/{fight['id']}/result").json()
    found = served.client.get("/api/events", params={"job": fight["id"], "label": "fighting"}).json()
    assert found["total"] == len(result["events"])
    kept, told = found["items"][0], result["events"][0]
    assert kept["source"] == told["source"] == "bikes.mp4"
    assert (kept["id"], kept["label"]) == (told["id"], told["label"])
    assert kept["id"].startswith(fight["id"])
    assert kept["score"] == pytest.approx(told["score"], abs=1e-6)
    assert "fighting" in served.client.get("/api/labels").json()


def test_a_file_in_an_allowed_folder_is_scored_where_it_lies(served: Any, videos_folder: Path) -> None:
    before = (videos_folder / "yard.mp4").stat()
    for path in ("deep/yard.mp4", str(videos_folder / "yard.mp4"), "deep/../yard.mp4"):
        answer = served.client.post("/api/jobs", json={"path": path})
        assert answer.status_code == 202, answer.text
        assert answer.json()["origin"] == "folder"
        assert str(videos_folder) not in answer.text
        assert follow(served, answer.json()["id"])[-1]["state"] == "done"
        assert served.client.delete(f"/api/jobs/{answer.json()['id']}").status_code == 204
    assert (videos_folder / "yard.mp4").stat().st_mtime_ns == before.st_mtime_ns


def test_a_video_that_is_too_short_to_score_fails_with_the_reason(served: Any, make_video: Callable[..., Path]) -> None:
    ended = follow(served, upload(served, make_video(0.25), "blink.mp4")["id"])[-1]
    assert ended["state"] == "failed"
    assert ended["error"].startswith("blink.mp4 ")
    assert str(served.service.settings.data) not in ended["error"]
    assert served.client.get(f"/api/jobs/{ended['id']}/result").status_code == 409
    assert served.client.post(f"/api/jobs/{ended['id']}/link").status_code == 409


def test_the_result_page_and_its_video_need_only_the_link(served: Any, fight: dict[str, Any]) -> None:
    href = served.client.post(f"/api/jobs/{fight['id']}/link").json()["href"]
    page = served.client.get(href)
    assert page.status_code == 200
    assert "bikes.mp4" in page.text
    assert served.client.get(f"{href}pictures/0001.jpg").headers["content-type"] == "image/jpeg"
    assert served.client.get(f"{href}events.csv").text.count("\n") == 1 + fight["num_events"]


def test_the_video_is_streamed_by_ranges(served: Any, fight: dict[str, Any], sample_videos: tuple[Path, Path]) -> None:
    content = sample_videos[1].read_bytes()
    href = served.client.post(f"/api/jobs/{fight['id']}/link").json()["href"]
    part = served.client.get(f"{href}video", headers={"Range": "bytes=1000-1999"})
    assert part.status_code == 206
    assert part.content == content[1000:2000]
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(content)}"
    assert part.headers["content-type"] == "video/mp4"
    assert served.client.get(f"{href}video").content == content
    assert served.client.get(f"{href}video", headers={"Range": f"bytes={len(content)}-"}).status_code == 416


def test_a_video_that_browsers_do_not_play_gets_a_copy(served: Any, make_video: Callable[..., Path]) -> None:
    video = make_video(2, suffix=".avi", codec="mpeg4")
    job = follow(served, upload(served, video, "old.avi")["id"])[-1]
    href = served.client.post(f"/api/jobs/{job['id']}/link").json()["href"]
    assert 'src="video.mp4"' in served.client.get(href).text
    assert served.client.get(f"{href}video.mp4").content[4:8] == b"ftyp"


def test_deleting_a_job_deletes_everything_of_it(served: Any, make_video: Callable[..., Path]) -> None:
    job = follow(served, upload(served, make_video(2))["id"])[-1]
    href = served.client.post(f"/api/jobs/{job['id']}/link").json()["href"]
    settings = served.service.settings
    files = [*settings.uploads.glob(f"{job['id']}*"), settings.results / job["id"]]
    assert len(files) == 2
    kept = served.service.media.kept_bytes

    assert served.client.delete(f"/api/jobs/{job['id']}").status_code == 204
    assert not any(path.exists() for path in files)
    assert served.service.media.kept_bytes == kept - job["size_bytes"]
    for path in (f"/api/jobs/{job['id']}", f"/api/jobs/{job['id']}/result", f"{href}video", href):
        assert served.client.get(path).status_code == 404
    assert served.client.delete(f"/api/jobs/{job['id']}").status_code == 404


def test_the_audit_records_clients_and_requests(served: Any, make_video: Callable[..., Path]) -> None:
    job_id = upload(served, make_video(2), "named.mp4")["id"]
    served.client.delete(f"/api/jobs/{job_id}")
    served.client.post("/api/jobs", json={"path": "../secret.mp4"})
    entries = served.client.get("/api/audit", params={"limit": 3}).json()["items"]
    told = [(entry["method"], entry["path"], entry["status"], entry["job_id"]) for entry in reversed(entries)]
    assert told == [
        ("POST", "/api/uploads", 202, job_id),
        ("DELETE", f"/api/jobs/{job_id}", 204, job_id),
        ("POST", "/api/jobs", 403, None),
    ]
    assert {(entry["who"], entry["address"]) for entry in entries} == {("local", "127.0.0.1")}


def test_health_readiness_version_and_documentation(served: Any, wait_until: Callable[..., Any]) -> None:
    wait_until(lambda: served.client.get("/readiness").status_code == 200, what="readiness")
    assert served.client.get("/healthz").json() == {"status": "ok"}
    assert served.client.get("/api/version").json()["max_upload_bytes"] == 1_000_000
    documentation = served.client.get("/docs").text
    assert "https://" not in documentation
    assert served.client.get("/static-offline-docs/swagger-ui-bundle.js").status_code == 200


def test_metrics_count_jobs_requests_and_bytes(served: Any, fight: dict[str, Any]) -> None:
    def read(name: str) -> float:
        lines = served.client.get("/metrics").text.splitlines()
        return float(next(line.split()[-1] for line in lines if line.startswith(name)))

    done = served.client.get("/api/jobs", params={"state": "done"}).json()["total"]
    assert read('avadclip_jobs{state="done"}') == done > 0
    assert read("avadclip_video_bytes") == served.service.store.kept_bytes() > 0
    counter = 'avadclip_http_requests_total{method="GET",route="/api/labels",status="200"}'
    served.client.get("/api/labels")
    before = read(counter)
    served.client.get("/api/labels")
    assert read(counter) == before + 1


def test_the_server_answers_at_once_while_a_video_is_scored(
    served: Any, make_video: Callable[..., Path], wait_until: Callable[..., Any]
) -> None:
    job_id = upload(served, make_video(60))["id"]
    wait_until(lambda: served.client.get(f"/api/jobs/{job_id}").json()["state"] == "running", what="the job")
    seconds = []
    for _ in range(20):
        begin = time.monotonic()
        served.client.get("/api/jobs")
        seconds.append(time.monotonic() - begin)
    assert sorted(seconds)[10] < 1.0
    assert served.client.delete(f"/api/jobs/{job_id}").status_code == 204
