"""Routes about cameras: their state, and, by a signed key in the path, their pictures and recordings."""

import time
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse

from avadclip.apps.live.config import CameraName
from avadclip.apps.service.cameras.schemas import Camera, CameraScore, shown_camera
from avadclip.apps.service.http.headers import PRIVATE
from avadclip.apps.service.links import CAMERAS
from avadclip.apps.service.problems import RefusedError
from avadclip.apps.service.results import serve_file
from avadclip.apps.service.routes import TheService, picture_response, root_of
from avadclip.apps.service.schemas import LiveEventQuery, ResultLink

router = APIRouter(prefix="/api")


@router.get("/camera-status")
def list_camera_status(service: TheService) -> list[Camera]:
    """List the cameras with their state, as `avadclip watch` writes it every five seconds, and their last event."""
    statuses = {status.name: status for status in service.store.camera_store.all()}
    now = time.time()
    cameras = []
    for name in service.store.cameras():
        events = service.camera_media.with_media(service.store.live_events(LiveEventQuery(camera=name, limit=1))[0])
        cameras.append(shown_camera(name, statuses.get(name), events[0] if events else None, now=now))
    return cameras


@router.get("/camera-scores")
def list_camera_scores(
    service: TheService, camera: Annotated[CameraName, Query(description="The camera's name")]
) -> list[CameraScore]:
    """List a camera's scores of the last hour: the highest of every five seconds."""
    return service.store.camera_store.scores(camera)


@router.post("/camera-link")
def make_camera_link(request: Request, service: TheService) -> ResultLink:
    """Create a link to media of all cameras.

    Below it are `pictures/CAMERA` (the last picture), `events/EVENT/picture` and `events/EVENT/recording`.
    """
    key, expires_at = service.links.key(CAMERAS)
    return ResultLink(href=f"{root_of(request)}/camera-media/{key}/", expires_at=expires_at)


def _check_key(service: TheService, key: str) -> None:
    if service.links.opens(key) != CAMERAS:
        raise RefusedError(HTTPStatus.FORBIDDEN, "the link has expired or is invalid; open the page again")


media_router = APIRouter(prefix="/camera-media/{key}", include_in_schema=False, dependencies=[Depends(_check_key)])


@media_router.api_route("/pictures/{camera}", methods=["GET", "HEAD"])
def show_picture(service: TheService, camera: CameraName) -> Response:
    """Serve the last picture of a camera."""
    jpeg = service.camera_media.picture(camera)
    if jpeg is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, "the camera has no picture")
    return Response(jpeg, media_type="image/jpeg", headers=PRIVATE)


@media_router.api_route("/events/{event_id}/picture", methods=["GET", "HEAD"])
def show_event_picture(service: TheService, event_id: str) -> Response:
    """Serve the picture of an event."""
    return picture_response(service, event_id)


@media_router.api_route("/events/{event_id}/recording", methods=["GET", "HEAD"])
def stream_recording(service: TheService, event_id: str) -> FileResponse:
    """Serve the recording of an event, or the range of a Range header."""
    found = service.camera_media.recording(event_id)
    if found is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, "the event has no recording in a folder of the service")
    return serve_file(found.path, found.media_type, name=found.path.name)
