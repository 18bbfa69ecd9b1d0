"""Doing jobs: what crashes, hangs, is deleted, or is left over from an earlier life of the service."""

import errno
import multiprocessing
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import service_fakes
from made_up_events import make_live_event
from sqlalchemy.exc import OperationalError

from avadclip.apps.service.jobs import queue as jobs
from avadclip.apps.service.schemas import AuditEntry, Job, JobState, LiveEventQuery, Origin
from avadclip.apps.service.settings import ServiceSettings
from avadclip.apps.service.store.store import Store


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    return ServiceSettings(data=tmp_path, min_free_bytes=0)


def upload(service: Any, path: Path) -> str:
    answer = service.client.post("/api/uploads?name=yard.mp4", content=path.read_bytes())
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def job_of(service: Any, job_id: str) -> dict[str, Any]:
    return dict(service.client.get(f"/api/jobs/{job_id}").json())


def ended(service: Any, job_id: str) -> dict[str, Any] | None:
    job = job_of(service, job_id)
    return job if job["state"] in ("done", "failed") else None


@pytest.fixture
def video(make_video: Callable[..., Path]) -> Path:
    return make_video(2)


@pytest.fixture
def leave(settings: ServiceSettings) -> Iterator[Callable[..., Job]]:
    """Puts a job into the store as a killed service would have left it."""
    store = Store(settings.store_url)

    def put(**changes: Any) -> Job:
        job_id = uuid.uuid4().hex
        values = {"id": job_id, "name": "yard.mp4", "origin": Origin.UPLOAD, "size_bytes": 5, "requested_by": "local"}
        values |= {
            "path": str(settings.uploads / f"{job_id}.mp4"),
            "state": JobState.RUNNING,
            "created_at": time.time(),
        }
        job = Job.model_validate(values | changes)
        settings.uploads.mkdir(exist_ok=True)
        Path(job.path).write_bytes(b"video")
        store.add_job(job)
        return job

    yield put
    store.close()


def test_a_video_that_crashes_its_worker_is_given_up_and_the_service_lives(
    settings: ServiceSettings, running: Any, video: Path, wait_until: Callable[..., Any]
) -> None:
    with running(settings, service_fakes.Crashing) as service:
        job_id = upload(service, video)
        job = wait_until(lambda: ended(service, job_id), what="the end")
        assert job["state"] == "failed"
        assert job["attempts"] == jobs.MAX_ATTEMPTS
        assert "crashed" in job["error"]
        wait_until(lambda: service.client.get("/readiness").status_code == 200, what="a new worker")


@pytest.mark.parametrize("load", [service_fakes.Slow, service_fakes.Hanging])
def test_a_video_that_takes_too_long_is_stopped(
    tmp_path: Path, running: Any, video: Path, wait_until: Callable[..., Any], load: Callable[[], Any]
) -> None:
    settings = ServiceSettings(data=tmp_path, min_free_bytes=0, max_video_seconds=2.5)
    with running(settings, load) as service:
        job_id = upload(service, video)
        job = wait_until(lambda: ended(service, job_id), what="the end")
        assert job["state"] == "failed"
        assert "longer than 2.5 s" in job["error"]
        wait_until(lambda: service.client.get("/readiness").status_code == 200, what="a new worker")


@pytest.mark.parametrize(
    ("load", "error"),
    [
        (service_fakes.Refusing, "yard.mp4 is damaged; convert it"),
        (service_fakes.Full, "the result of yard.mp4 cannot be kept (No space left on device)"),
    ],
)
def test_what_cannot_be_scored_fails_with_one_line_and_without_the_servers_path(
    settings: ServiceSettings, running: Any, video: Path, wait_until: Callable[..., Any], *, load: Any, error: str
) -> None:
    with running(settings, load) as service:
        job_id = upload(service, video)
        job = wait_until(lambda: ended(service, job_id), what="the end")
        assert job["error"] == error


@pytest.mark.parametrize("load", [service_fakes.Slow, service_fakes.Hanging])
def test_a_running_job_is_deleted_at_once(
    settings: ServiceSettings,
    running: Any,
    video: Path,
    wait_until: Callable[..., Any],
    load: Callable[[], Any],
) -> None:
    with running(settings, load) as service:
        first, second = upload(service, video), upload(service, video)
        wait_until(lambda: job_of(service, first)["state"] == "running", what="the job")
        assert service.client.delete(f"/api/jobs/{first}").status_code == 204
        assert [path.name for path in settings.uploads.iterdir()] == [f"{second}.mp4"]
        wait_until(lambda: job_of(service, second)["state"] == "running", what="the next job")


def test_a_job_that_was_interrupted_begins_again(
    settings: ServiceSettings, running: Any, leave: Callable[..., Job], wait_until: Callable[..., Any]
) -> None:
    job = leave(attempts=1)
    with running(settings, service_fakes.Refusing) as service:
        assert wait_until(lambda: ended(service, job.id), what="the end")["attempts"] == 2


def test_a_job_that_kills_the_service_each_time_is_given_up(
    settings: ServiceSettings, running: Any, leave: Callable[..., Job], wait_until: Callable[..., Any]
) -> None:
    job = leave(attempts=jobs.MAX_ATTEMPTS)
    with running(settings, service_fakes.Refusing) as service:
        kept = wait_until(lambda: ended(service, job.id), what="the end")
        assert (kept["state"], kept["attempts"]) == ("failed", jobs.MAX_ATTEMPTS)
        assert "the service was interrupted" in kept["error"]


def test_a_lost_database_costs_an_attempt_and_no_job(
    settings: ServiceSettings,
    running: Any,
    video: Path,
    wait_until: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "IDLE_SECONDS", 0.1)
    with running(settings, service_fakes.Refusing) as service:
        store, fail = service.service.store, service.service.store.fail

        def go_away_once(job: Job, error: str) -> bool:
            store.fail = fail
            raise OperationalError("UPDATE jobs", {}, Exception("server closed the connection"))

        store.fail = go_away_once
        job_id = upload(service, video)
        assert wait_until(lambda: ended(service, job_id), what="the end")["attempts"] == 2


def test_a_stopped_service_lets_its_job_wait_for_the_next_start(
    settings: ServiceSettings, running: Any, video: Path, wait_until: Callable[..., Any]
) -> None:
    with running(settings, service_fakes.Slow) as service:
        job_id = upload(service, video)
        wait_until(lambda: job_of(service, job_id)["state"] == "running", what="the job")
    store = Store(settings.store_url)
    kept = store.job(job_id)
    store.close()
    assert kept is not None
    assert (kept.state, kept.attempts) == (JobState.QUEUED, 0)


def test_what_a_killed_service_left_is_tidied_up(
    settings: ServiceSettings, running: Any, leave: Callable[..., Job]
) -> None:
    half_deleted, kept = leave(state=JobState.DELETING), leave(state=JobState.DONE)
    unfinished, unknown = uuid.uuid4().hex, uuid.uuid4().hex
    for name in (f".{uuid.uuid4().hex}.partial", f".{unfinished}.unfinished", f"{unfinished}.mp4", f"{unknown}.mp4"):
        (settings.uploads / name).write_bytes(b"half a video")
    (settings.results / ".report-abc").mkdir(parents=True)
    with running(settings, service_fakes.Refusing) as service:
        assert {path.name for path in settings.uploads.iterdir()} == {f"{kept.id}.mp4", f"{unknown}.mp4"}
        assert list(settings.results.iterdir()) == []
        assert service.service.store.ids() == {kept.id}
        assert service.service.media.kept_bytes == kept.size_bytes
    assert not Path(half_deleted.path).exists()


def test_jobs_are_deleted_when_their_time_is_over_and_not_before(
    settings: ServiceSettings, running: Any, leave: Callable[..., Job]
) -> None:
    day = 86400.0
    old = leave(state=JobState.DONE, finished_at=time.time() - 30.1 * day)
    young = leave(state=JobState.FAILED, finished_at=time.time() - 29.9 * day)
    with running(settings, service_fakes.Refusing) as service:
        for name, age in (("old", 30.1), ("young", 29.9)):
            service.service.store.keep_live_event(make_live_event(id=name, start=time.time() - age * day))
        service.service.janitor.make_a_round()
        assert service.service.store.ids() == {young.id}
        assert [event.id for event in service.service.store.live_events(LiveEventQuery())[0]] == ["young"]
    assert not Path(old.path).exists()
    assert Path(young.path).exists()


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_clock_that_jumps_deletes_nothing_at_once(
    settings: ServiceSettings,
    running: Any,
    leave: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_restarted: bool,
) -> None:
    day = 86400.0
    job = leave(state=JobState.DONE, finished_at=time.time())
    entry = {"who": "ann", "address": "::1", "method": "GET", "path": "/api/jobs", "status": 200, "job_id": None}
    real_time = time.time

    def jump() -> None:
        monkeypatch.setattr(time, "time", lambda: real_time() + 400 * day)

    if is_restarted:
        jump()
    with running(settings, service_fakes.Refusing) as service:
        store = service.service.store
        store.keep_live_event(make_live_event(start=real_time()))
        store.add_audit([AuditEntry(at=real_time(), **entry)])
        link, _ = service.service.links.key(job.id)
        if not is_restarted:
            jump()
        service.service.janitor.make_a_round()
        assert Path(job.path).exists()
        assert store.ids() == {job.id}
        assert (store.live_events(LiveEventQuery())[1], store.audit(limit=1)[1]) == (1, 1)
        assert service.service.links.opens(link) == job.id


def test_two_services_cannot_share_a_folder(settings: ServiceSettings, running: Any) -> None:
    with running(settings, service_fakes.Refusing):
        with (
            pytest.raises(Exception, match="in use by another"),
            running(settings, service_fakes.Refusing),
        ):
            pass
        assert (settings.data / "reserve").exists()


@pytest.mark.parametrize(
    ("load", "reason"),
    [(service_fakes.unloadable, "no such model; train one"), (service_fakes.dying, "available memory")],
)
def test_a_model_that_cannot_be_loaded_ends_the_service_with_the_reason(
    settings: ServiceSettings, running: Any, wait_until: Callable[..., Any], load: Callable[[], Any], reason: str
) -> None:
    with running(settings, load) as service:
        wait_until(lambda: service.service.runner.problem, what="the problem")
        assert reason in service.service.runner.problem
        assert service.client.get("/readiness").status_code == 503
        assert service.client.get("/healthz").status_code == 200


def test_the_supervisor_outlives_a_time_without_open_files(
    settings: ServiceSettings,
    running: Any,
    video: Path,
    wait_until: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "IDLE_SECONDS", 0.05)
    with running(settings, service_fakes.Crashing) as service:
        runner = service.service.runner
        wait_until(lambda: runner.is_ready, what="the worker")
        refused = []

        def no_pipe() -> None:
            refused.append(OSError(errno.EMFILE, "Too many open files"))
            raise refused[-1]

        with monkeypatch.context() as patch:
            patch.setattr(multiprocessing, "Pipe", no_pipe)
            job_id = upload(service, video)
            wait_until(lambda: len(refused) > 2, what="the supervisor to try again")
            service.service.intake._check._child.kill()  # the other process that is started on demand
            answer = service.client.post("/api/uploads?name=yard.mp4", content=video.read_bytes())
            assert answer.status_code == 503, answer.text
            assert runner.problem is None
        assert wait_until(lambda: ended(service, job_id), what="the job")["attempts"] == jobs.MAX_ATTEMPTS
        assert upload(service, video)


def test_a_new_worker_that_dies_while_loading_is_replaced(
    settings: ServiceSettings,
    *,
    running: Any,
    video: Path,
    wait_until: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(jobs, "IDLE_SECONDS", 0.05)
    with running(settings, service_fakes.Crashing) as service:
        runner = service.service.runner
        wait_until(lambda: runner.is_ready, what="the worker")
        runner._load = service_fakes.dying  # as where memory is short
        job_id = upload(service, video)
        wait_until(lambda: "while loading the model" in caplog.text, what="the death of the second worker")
        runner._load = service_fakes.Refusing
        assert wait_until(lambda: ended(service, job_id), what="the job")["attempts"] == 2
        assert runner.problem is None
