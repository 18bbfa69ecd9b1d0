"""Error responses: problem+json with one line, never a stack trace."""

import errno
import logging
import uuid
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from avadclip.apps.service.schemas import Problem
from avadclip.apps.service.store.database import is_away, is_damage, is_full, reason_of
from avadclip.errors import AvadclipError, reason_by_pydantic

DISK_FULL = "the service's disk is full; delete old jobs"

log = logging.getLogger(__name__)


class RefusedError(AvadclipError):
    """A refused request, with its HTTP status."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def problem_response(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Build the response for one problem."""
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=" ".join(detail.split()))
    return JSONResponse(problem.model_dump(), status, headers, media_type="application/problem+json")


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses of these statuses."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {int(status): {"description": status.phrase, "content": content} for status in statuses}


def add_problem_handlers(app: FastAPI) -> None:
    """Register handlers that turn every exception into a problem."""

    @app.exception_handler(RefusedError)
    def refused(_request: Request, error: RefusedError) -> JSONResponse:
        return problem_response(error.status, str(error))

    @app.exception_handler(HTTPException)
    def http_error(_request: Request, error: HTTPException) -> JSONResponse:
        return problem_response(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}: {reason_by_pydantic(first['msg'])}")

    @app.exception_handler(SQLAlchemyError)
    def database_failed(_request: Request, error: SQLAlchemyError) -> JSONResponse:
        if not (is_full(error) or is_damage(error) or is_away(error)):
            raise error
        log.error("the database failed (%s)", reason_of(error))
        if is_full(error):
            return problem_response(HTTPStatus.INSUFFICIENT_STORAGE, DISK_FULL)
        reason = "the database is damaged; ask the operator" if is_damage(error) else "the database is away; try later"
        return problem_response(HTTPStatus.SERVICE_UNAVAILABLE, reason)

    @app.exception_handler(OSError)
    def system_failed(_request: Request, error: OSError) -> JSONResponse:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            log.error("the disk is full (%s)", error)
            return problem_response(HTTPStatus.INSUFFICIENT_STORAGE, DISK_FULL)
        raise error

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        number = uuid.uuid4().hex[:12]
        log.error("internal error %s", number, exc_info=error, extra={"path": request.url.path})
        return problem_response(
            HTTPStatus.INTERNAL_SERVER_ERROR, f"internal error, logged as {number}; ask the operator"
        )
