"""Routes of the API."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse

from avadclip import __version__
from avadclip.apps.service.http.guard import MAX_BODY_BYTES
from avadclip.apps.service.http.headers import PRIVATE
from avadclip.apps.service.http.multipart import FORM, FormFile
from avadclip.apps.service.problems import RefusedError, documented
from avadclip.apps.service.schemas import (
    ENDED,
    AuditEntry,
    EventQuery,
    FromFolder,
    FromUrl,
    Job,
    JobId,
    JobState,
    ListedJob,
    LiveEventQuery,
    Page,
    ResultLink,
    StoredEvent,
    StoredLiveEvent,
    Version,
)
from avadclip.apps.service.service import Service
from avadclip.report.words import DEMONSTRATION_MODELS

MAX_NAME = 255  # characters
NAME_HELP = "File name for display; a form has its own"
JOB_EXAMPLES = {
    "a file in an allowed folder": {"value": {"path": "lobby/2026-05-01.mp4"}},
    "an allowed URL": {"value": {"url": "https://videos.example.org/lobby.mp4"}},
}


def _service_of(request: Request) -> Service:
    """The service of the app."""
    service: Service = request.app.state.service
    return service


def _client_name(request: Request) -> str:
    """The client's name, as identified by the guard."""
    name: str = request.state.who
    return name


def _known_job(request: Request, job_id: JobId) -> Job:
    """The job named in the path; RefusedError (404) before a stream begins."""
    return _known(_service_of(request), job_id)


TheService = Annotated[Service, Depends(_service_of)]
Client = Annotated[str, Depends(_client_name)]
JobIdInPath = Annotated[JobId, Path(description="The id in the response that created the job")]
LiveEventIdInPath = Annotated[str, Path(max_length=200, pattern=r"^[\w.-]+$", description="The id of a camera's event")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, le=10**9)]

router = APIRouter(prefix="/api")
NOT_FOUND = documented(HTTPStatus.NOT_FOUND)
INTAKE = documented(
    HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT, HTTPStatus.INSUFFICIENT_STORAGE,
)  # fmt: skip


async def upload(
    request: Request,
    response: Response,
    service: TheService,
    who: Client,
    name: Annotated[str | None, Query(min_length=1, max_length=MAX_NAME, description=NAME_HELP)] = None,
) -> Job:
    """Upload a video, as the request body or as the file of a form, and create a job."""
    content_type = request.headers.get("content-type", "")
    chunks: AsyncIterator[bytes] = request.stream()
    if content_type.lower().startswith(FORM):
        form = FormFile(content_type, chunks)
        name, chunks = name or await form.name(), form.chunks()
    if name is None or len(name) > MAX_NAME:
        raise RefusedError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"the file needs a name of {MAX_NAME} characters at most; give one as in /api/uploads?name=lobby.mp4",
        )
    job = await service.intake.from_upload(name, chunks, who)
    return _made(request, response, job)


_FILE = {"type": "string", "format": "binary"}
UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": _FILE},
            FORM: {"schema": {"type": "object", "properties": {"file": _FILE}, "required": ["file"]}},
        },
    }
}


@router.post("/jobs", status_code=202, responses=INTAKE, max_body_size=MAX_BODY_BYTES)
async def make_job(
    request: Request,
    response: Response,
    service: TheService,
    who: Client,
    source: Annotated[FromFolder | FromUrl, Body(openapi_examples=JOB_EXAMPLES)],
) -> Job:
    """Create a job for a file in an allowed folder, or for a URL, which is fetched before the response."""
    if isinstance(source, FromFolder):
        job = await service.intake.from_folder(source.path, who)
    else:
        job = await service.intake.from_url(source.url, who)
    return _made(request, response, job)


@router.get("/jobs")
def list_jobs(
    request: Request, service: TheService, state: JobState | None = None, limit: Limit = 100, offset: Offset = 0
) -> Page[ListedJob]:
    """List jobs, newest first."""
    jobs, total = service.store.jobs(state=state, limit=limit, offset=offset)
    pictures = service.pictures_of(jobs)
    items = [
        ListedJob(
            **dict(service.hub.with_progress(job)),
            picture=f"{root_of(request)}{pictures[job.id]}" if job.id in pictures else None,
        )
        for job in jobs
    ]
    return Page(items=items, total=total)


@router.get("/jobs/{job_id}", responses=NOT_FOUND)
def show_job(service: TheService, job_id: JobIdInPath) -> Job:
    """Get the status of a job."""
    return service.hub.with_progress(_known(service, job_id))


@router.delete("/jobs/{job_id}", status_code=204, responses=NOT_FOUND)
def delete_job(service: TheService, job_id: JobIdInPath) -> None:
    """Delete a job in any state, with its uploaded video, result and events."""
    if not service.janitor.delete(job_id):
        raise RefusedError(HTTPStatus.NOT_FOUND, "job not found")


@router.get("/jobs/{job_id}/progress", response_class=EventSourceResponse, responses=NOT_FOUND)
async def follow_job(
    service: TheService, job_id: JobIdInPath, _: Annotated[Job, Depends(_known_job)]
) -> AsyncIterator[Job]:
    """Stream the updates of one job until it ends or is deleted."""

    async def as_it_is() -> list[Job]:
        job = await run_in_threadpool(service.store.job, job_id)
        return [] if job is None else [service.hub.with_progress(job)]

    async for job in service.hub.follow(as_it_is):
        if job.id == job_id:
            yield job
            if job.state in (*ENDED, JobState.DELETING):
                return


@router.get("/progress", response_class=EventSourceResponse)
async def follow_all(service: TheService) -> AsyncIterator[Job]:
    """Stream the updates of all jobs; the state `deleting` means deleted."""

    async def nothing_first() -> list[Job]:
        return []

    async for job in service.hub.follow(nothing_first):
        yield job


@router.get("/jobs/{job_id}/result", responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
def show_result(service: TheService, job_id: JobIdInPath) -> FileResponse:
    """Get the whole result with every snippet's scores, as `avadclip detect --format json --scores` prints it."""
    _done(service, job_id)
    return FileResponse(service.media.result_file(job_id, "detection.json"), media_type="application/json")


@router.post("/jobs/{job_id}/link", responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
def make_link(request: Request, service: TheService, job_id: JobIdInPath) -> ResultLink:
    """Create a link to the job's result page."""
    _done(service, job_id)
    key, expires_at = service.links.key(job_id)
    return ResultLink(href=f"{root_of(request)}/results/{key}/", expires_at=expires_at)


@router.get("/events")
def find_events(service: TheService, query: Annotated[EventQuery, Query()]) -> Page[StoredEvent]:
    """Search the events of all jobs by class, score, time and verdict."""
    found, total = service.store.events(query)
    return Page(items=found, total=total)


@router.get("/live-events")
def find_live_events(service: TheService, query: Annotated[LiveEventQuery, Query()]) -> Page[StoredLiveEvent]:
    """Search the events of cameras, which `avadclip watch` stores in the same database, newest first."""
    found, total = service.store.live_events(query)
    return Page(items=service.camera_media.with_media(found), total=total)


@router.get(
    "/live-events/{event_id}/picture",
    response_class=Response,
    responses={HTTPStatus.OK: {"content": {"image/jpeg": {"schema": _FILE}}}, **NOT_FOUND},
)
def show_event_picture(service: TheService, event_id: LiveEventIdInPath) -> Response:
    """Get the picture of a camera's event: its highest-scored moment so far, JPEG."""
    return picture_response(service, event_id)


def picture_response(service: Service, event_id: str) -> Response:
    """The picture of a camera's event; RefusedError (404) where there is none."""
    jpeg = service.camera_media.event_picture(event_id)
    if jpeg is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, "the event has no picture in a folder of the service")
    return Response(jpeg, media_type="image/jpeg", headers=PRIVATE)


@router.get("/labels")
def list_labels(service: TheService) -> list[str]:
    """List the classes of stored events, including those of cameras."""
    return service.store.labels()


@router.get("/cameras")
def list_cameras(service: TheService) -> list[str]:
    """List the names of cameras with stored events, or with a state."""
    return service.store.cameras()


@router.get("/audit")
def list_audit(service: TheService, limit: Limit = 100, offset: Offset = 0) -> Page[AuditEntry]:
    """List audited requests, newest first."""
    service.audit.settle()
    entries, total = service.store.audit(limit=limit, offset=offset)
    return Page(items=entries, total=total)


@router.get("/version")
def show_version(service: TheService) -> Version:
    """Get version, model and limits of the service."""
    settings = service.settings
    return Version(
        version=__version__,
        model=service.model,
        is_demonstration=service.model in DEMONSTRATION_MODELS,
        has_folders=bool(settings.folders),
        fetch_hosts=sorted(settings.fetch_hosts),
        max_upload_bytes=settings.max_upload_bytes,
        retention_days=settings.retention_days,
    )


health = APIRouter()


@health.get("/healthz")
async def is_alive() -> dict[str, str]:
    """Liveness check."""
    return {"status": "ok"}


@health.get("/readiness")
def is_ready(service: TheService) -> dict[str, str]:
    """Readiness check: whether jobs can be accepted and run."""
    why_not = service.why_not_ready()
    if why_not is not None:
        raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, why_not)
    return {"status": "ready"}


@health.get("/metrics", response_class=Response)
def show_metrics(service: TheService) -> Response:
    """Get metrics in Prometheus' text format."""
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _made(request: Request, response: Response, job: Job) -> Job:
    request.state.job_id = job.id  # for the audit
    response.headers["Location"] = f"{root_of(request)}/api/jobs/{job.id}"
    return job


def root_of(request: Request) -> str:
    """What links begin with: the prefix of a proxy, "" without one."""
    prefix: str = request.scope["root_path"]
    return prefix


def _known(service: Service, job_id: str) -> Job:
    job = service.store.job(job_id)
    if job is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, "job not found")
    return job


def _done(service: Service, job_id: str) -> Job:
    job = _known(service, job_id)
    if job.state is not JobState.DONE:
        raise RefusedError(HTTPStatus.CONFLICT, f"no result: the job is {job.state}")
    return job
