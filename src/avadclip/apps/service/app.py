"""FastAPI application of the service."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline

from avadclip import __version__
from avadclip.apps.service import results
from avadclip.apps.service.cameras import routes as camera_routes
from avadclip.apps.service.http.guard import UPLOADS, Guard
from avadclip.apps.service.http.headers import DOCS_POLICY, PAGE_POLICY
from avadclip.apps.service.problems import add_problem_handlers, describe_problems, documented
from avadclip.apps.service.routes import INTAKE, UPLOAD_BODY, health, router, upload
from avadclip.apps.service.service import Service
from avadclip.apps.service.verdicts import routes as verdict_routes

STATIC = Path(__file__).parent / "static"
EVERYWHERE = documented(
    HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.MISDIRECTED_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INSUFFICIENT_STORAGE,
)  # fmt: skip

log = logging.getLogger(__name__)


def create_app(service: Service) -> FastAPI:
    """Create the application; the service starts and stops with it."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.start()
        log.info("service started", extra={"model": service.model})
        yield
        await run_in_threadpool(service.stop)
        log.info("service stopped")

    app = FastAPIOffline(  # for the files of its documentation page; the page itself has an inline script
        title="avadclip",
        version=__version__,
        summary="Find anomalous events in video",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses=EVERYWHERE,
    )
    app.state.service = service
    app.add_middleware(Guard, settings=service.settings, audit=service.audit, metrics=service.metrics)
    add_problem_handlers(app)
    describe_problems(app)
    app.include_router(health)
    app.include_router(router)
    app.include_router(verdict_routes.router)
    app.add_api_route(
        UPLOADS,
        upload,
        methods=["POST"],
        status_code=202,
        responses=INTAKE,
        openapi_extra=UPLOAD_BODY,
    )
    app.include_router(camera_routes.router)
    app.include_router(results.router)
    app.include_router(camera_routes.media_router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/", include_in_schema=False)
    def show_page() -> FileResponse:
        return _page("index.html", PAGE_POLICY)

    @app.get("/cameras", include_in_schema=False)
    def show_cameras() -> FileResponse:
        return _page("cameras/index.html", PAGE_POLICY)

    @app.get("/docs", include_in_schema=False)
    def show_documentation() -> FileResponse:
        return _page("docs.html", DOCS_POLICY)

    return app


def _page(name: str, policy: str) -> FileResponse:
    return FileResponse(STATIC / name, headers={"Content-Security-Policy": policy})
