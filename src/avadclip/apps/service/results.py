"""Result pages, their videos and files. A signed key in the path replaces the token."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from avadclip.apps.service.http.headers import PRIVATE
from avadclip.apps.service.jobs.media_folder import is_file
from avadclip.apps.service.jobs.result_folder import MEDIA_NAME, VIDEO_URL, read_media, read_media_type
from avadclip.apps.service.links import job_named_by
from avadclip.apps.service.problems import RefusedError
from avadclip.apps.service.routes import TheService
from avadclip.apps.service.schemas import Job
from avadclip.apps.service.service import Service
from avadclip.errors import MediaError
from avadclip.report.html import PagePlaces, asset_files, render_page

DOWNLOADS = {"JSON": "detection.json", "CSV": "events.csv", "WebVTT": "events.vtt", "PNG": "scores.png"}
FILE_TYPES = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".vtt": "text/vtt",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".mp4": "video/mp4",
}
"""Of the files that the service itself writes."""

router = APIRouter(include_in_schema=False)


def _job_of_key(service: TheService, key: str) -> Job:
    """The job that a key opens; RefusedError: 403 for an invalid key, 404 for a deleted job."""
    job_id = service.links.opens(key)
    if job_id is None:
        raise RefusedError(HTTPStatus.FORBIDDEN, "the link has expired or is invalid; open the result again")
    job = service.store.job(job_id)
    if job is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, "the job was deleted")
    return job


JobOfKey = Annotated[Job, Depends(_job_of_key)]


@router.get("/results/{key}/")
def show_page(service: TheService, key: str) -> Response:
    """Serve the page; an expired key redirects to a new one. Browsers keep `#t=12` across redirects."""
    job_id = job_named_by(key)
    if service.links.opens(key) is None and job_id is not None:
        return RedirectResponse(f"../../?job={job_id}", HTTPStatus.SEE_OTHER)
    job = _job_of_key(service, key)
    places = _places(job)
    headers = {"Content-Security-Policy": f"{places.policy}; frame-ancestors 'none'", **PRIVATE}
    return HTMLResponse(_page(service, job, places), headers=headers)


@router.api_route(f"/results/{{key}}/{VIDEO_URL}", methods=["GET", "HEAD"])
def stream_video(service: TheService, job: JobOfKey) -> FileResponse:
    """Serve the video, or the range of a Range header."""
    folder = service.media.result_file(job.id, MEDIA_NAME).parent
    try:
        path = service.media.checked(job)
    except MediaError as error:
        raise RefusedError(HTTPStatus.NOT_FOUND, str(error)) from error
    if not is_file(path):  # a video in an allowed folder may have been removed
        raise RefusedError(HTTPStatus.NOT_FOUND, "file not found")
    return serve_file(path, read_media_type(folder, path), name=job.name)


@router.api_route("/results/{key}/{name:path}", methods=["GET", "HEAD"])
def show_file(service: TheService, job: JobOfKey, name: str) -> FileResponse:
    """Serve a file of the result."""
    path = service.media.result_file(job.id, name)
    return serve_file(path, FILE_TYPES.get(path.suffix), name=path.name)


@router.get("/static/report/{name}")
def show_asset(name: str) -> FileResponse:
    """Serve a script or style of result pages."""
    path = asset_files().get(name)
    if path is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, "file not found")
    return FileResponse(path)


def _places(job: Job) -> PagePlaces:
    judging = {"api": "../../api/", "job": job.id}
    return PagePlaces(assets="../../static/report/", index="../../", downloads=DOWNLOADS, service=judging)


def _page(service: Service, job: Job, places: PagePlaces) -> str:
    path = service.media.result_file(job.id, "detection.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    return render_page(document, read_media(path.parent), places)


def serve_file(path: Path, media_type: str | None, *, name: str) -> FileResponse:
    """A file as this media type and no other; one without is only for saving under the name."""
    if media_type is None:
        return FileResponse(path, media_type="application/octet-stream", filename=name, headers=PRIVATE)
    return FileResponse(path, media_type=media_type, headers=PRIVATE)
