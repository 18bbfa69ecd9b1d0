"""Routes of verdicts."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from avadclip.apps.service.http.guard import MAX_BODY_BYTES
from avadclip.apps.service.problems import RefusedError, documented
from avadclip.apps.service.routes import NOT_FOUND, Client, TheService
from avadclip.apps.service.schemas import Page
from avadclip.apps.service.verdicts.schemas import GivenVerdict, MissedSpan, StoredVerdict, VerdictQuery

EventId = Annotated[str, Path(pattern=r"^[\w.-]{1,200}$", description="The `id` of the event")]
VerdictId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="The `id` of the verdict")]

router = APIRouter(prefix="/api", responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY))


@router.put("/events/{event_id}/verdict", responses=NOT_FOUND, max_body_size=MAX_BODY_BYTES)
def judge_event(
    request: Request, service: TheService, who: Client, event_id: EventId, given: GivenVerdict
) -> StoredVerdict:
    """Set the verdict on an event of a job; a later one replaces it."""
    try:
        verdict = service.verdicts.judge(event_id, given, by=who)
    except ValueError as error:
        raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    return _of_job(request, _known(verdict, "event not found"))


@router.get("/events/{event_id}/verdict", responses=NOT_FOUND)
def show_verdict(request: Request, service: TheService, event_id: EventId) -> StoredVerdict:
    """Get the verdict on an event of a job."""
    return _of_job(request, _known(service.verdicts.on(event_id), "no verdict on this event"))


@router.delete("/events/{event_id}/verdict", status_code=204, responses=NOT_FOUND)
def withdraw_verdict(request: Request, service: TheService, event_id: EventId) -> None:
    """Withdraw the verdict on an event of a job."""
    verdict = _of_job(request, _known(service.verdicts.on(event_id), "no verdict on this event"))
    service.verdicts.withdraw(verdict.id)


@router.put("/live-events/{event_id}/verdict", responses=NOT_FOUND, max_body_size=MAX_BODY_BYTES)
def judge_live_event(service: TheService, who: Client, event_id: EventId, given: GivenVerdict) -> StoredVerdict:
    """Set the verdict on an event of a camera; a later one replaces it."""
    try:
        return _known(service.verdicts.judge_live(event_id, given, by=who), "event not found")
    except ValueError as error:
        raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error


@router.get("/live-events/{event_id}/verdict", responses=NOT_FOUND)
def show_live_verdict(service: TheService, event_id: EventId) -> StoredVerdict:
    """Get the verdict on an event of a camera."""
    return _known(service.verdicts.on_live(event_id), "no verdict on this event")


@router.delete("/live-events/{event_id}/verdict", status_code=204, responses=NOT_FOUND)
def withdraw_live_verdict(service: TheService, event_id: EventId) -> None:
    """Withdraw the verdict on an event of a camera."""
    service.verdicts.withdraw(_known(service.verdicts.on_live(event_id), "no verdict on this event").id)


@router.get("/verdicts")
def list_verdicts(service: TheService, query: Annotated[VerdictQuery, Query()]) -> Page[StoredVerdict]:
    """List verdicts in the order they were given, those on missed stretches too."""
    found, total = service.verdicts.page(query)
    return Page(items=found, total=total)


@router.post("/verdicts", status_code=201, responses=NOT_FOUND, max_body_size=MAX_BODY_BYTES)
def mark_missed(request: Request, service: TheService, who: Client, missed: MissedSpan) -> StoredVerdict:
    """Mark a stretch of a job's video, or of a camera, that should have been an event."""
    if missed.job is not None:
        job = service.store.job(missed.job)
        if job is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "job not found")
        if job.duration_seconds is not None and missed.start >= job.duration_seconds:
            raise RefusedError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"`start` is {missed.start:g} s; the video ends at {job.duration_seconds:g} s",
            )
    return _of_job(request, service.verdicts.add_missed(missed, by=who))


@router.delete("/verdicts/{verdict_id}", status_code=204, responses=NOT_FOUND)
def withdraw(service: TheService, verdict_id: VerdictId) -> None:
    """Withdraw a verdict."""
    if not service.verdicts.withdraw(verdict_id):
        raise RefusedError(HTTPStatus.NOT_FOUND, "verdict not found")


def _known(verdict: StoredVerdict | None, reason: str) -> StoredVerdict:
    if verdict is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, reason)
    return verdict


def _of_job(request: Request, verdict: StoredVerdict) -> StoredVerdict:
    if verdict.job_id is not None:
        request.state.job_id = verdict.job_id  # for the audit
    return verdict
