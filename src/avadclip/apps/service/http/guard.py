"""Access control: checks before every request, audit and request log after it."""

import hashlib
import hmac
import logging
import re
import time
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from avadclip.apps.service.audit_log import AuditLog
from avadclip.apps.service.http.headers import with_security_headers
from avadclip.apps.service.http.proxy import route_path
from avadclip.apps.service.metrics import Metrics
from avadclip.apps.service.problems import internal_error, problem_response
from avadclip.apps.service.schemas import AuditEntry
from avadclip.apps.service.settings import ServiceSettings

UPLOADS = "/api/uploads"
MAX_BODY_BYTES = 64 * 1024  # of requests other than uploads
LOCAL = "local"  # client name without tokens
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
METHODS = (*SAFE_METHODS, "POST", "PUT", "PATCH", "DELETE")
JOB_ID = re.compile("[0-9a-f]{32}")

# These reveal nothing about videos; KEYED folders need a signed key instead of a token.
KEYED = ("/results/", "/camera-media/")
PUBLIC = ("", "/", "/cameras", "/healthz", "/readiness", "/docs", "/openapi.json")
PUBLIC_FOLDERS = ("/static/", "/static-offline-docs/", *KEYED)

# Requested by the page all the time, and about no job in particular.
POLLED = ("version", "progress", "jobs", "labels", "live-events", "cameras", "camera-status", "camera-scores")
NOT_AUDITED = {("GET", f"/api/{what}") for what in POLLED}

CLIENT_CLOSED = 499  # in log and metrics: the client left before the response, as proxies write it

_HOST = re.compile(r"(\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(:[0-9]+)?")

log = logging.getLogger(__name__)


class _RefusalError(Exception):
    def __init__(self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.headers = status, headers


class Guard:
    """Middleware that checks host, origin and token, in this order."""

    def __init__(self, app: ASGIApp, *, settings: ServiceSettings, audit: AuditLog, metrics: Metrics) -> None:
        self._app, self._settings, self._audit_log, self._metrics = app, settings, audit, metrics
        self._tokens = {name: _digest(token) for name, token in settings.tokens.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward an admitted request, or answer a refused one; no exception leaves, since the server would log it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.monotonic()
        status = None
        who = None
        path = route_path(scope)  # before the router's mounts change the scope

        async def send_safely(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = with_security_headers(message["headers"])
                if path.startswith("/api/"):
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        async def note_and_send(message: Message) -> None:
            if message["type"] == "http.response.start" and who is not None:
                # before the response begins, since a stream may last for hours
                self._audit(scope, path, who, message["status"])
            await send_safely(message)

        try:
            try:
                who = self._admit(scope, path)
                self._check_length(scope, path)
                scope.setdefault("state", {})["who"] = who
                app = self._app
            except _RefusalError as refusal:
                app = problem_response(refusal.status, str(refusal), refusal.headers)
            await app(scope, receive, note_and_send)
        except ClientDisconnect:
            status = CLIENT_CLOSED
        except Exception as error:
            answer = internal_error(error)
            if status is None:
                await answer(scope, receive, send_safely)
        finally:
            self._log(scope, path, who, status or CLIENT_CLOSED, time.monotonic() - begin)

    def _admit(self, scope: Scope, path: str) -> str:
        """Identify the client; raises _RefusalError."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _host_name(hosts[0]) not in self._settings.host_names:
            # Against DNS rebinding: a foreign page can point its name here, but cannot choose the Host header.
            raise _RefusalError(
                HTTPStatus.MISDIRECTED_REQUEST, "unknown host name for this service; the operator can allow it"
            )
        origin = headers.get("origin")
        if scope["method"] not in SAFE_METHODS and origin is not None and origin.partition("://")[2] != hosts[0]:
            raise _RefusalError(HTTPStatus.FORBIDDEN, "cross-site request refused; use the service's own page")
        if not self._tokens or path in PUBLIC or path.startswith(PUBLIC_FOLDERS):
            return LOCAL if not self._tokens else "anybody"
        who = self._owner(headers.get("authorization", ""))
        if who is None:
            raise _RefusalError(
                HTTPStatus.UNAUTHORIZED,
                "missing or invalid token; send the header `Authorization: Bearer TOKEN`",
                {"WWW-Authenticate": "Bearer"},
            )
        return who

    def _check_length(self, scope: Scope, path: str) -> None:
        """Refuse a declared body length above the limit before reading; undeclared bodies are cut at the limit."""
        length = Headers(scope=scope).get("content-length", "0")
        # A form is larger than the file in it, whose own size is limited while it arrives.
        limit = MAX_BODY_BYTES + (self._settings.max_upload_bytes if path == UPLOADS else 0)
        if not length.isdecimal() or int(length) > limit:
            raise _RefusalError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the request is larger than {limit} bytes; send a smaller one"
            )

    def _owner(self, authorization: str) -> str | None:
        scheme, _, token = authorization.partition(" ")
        digest, owner = _digest(token.strip()), None
        for name, known in self._tokens.items():  # compare all of them: the time taken must reveal nothing
            if hmac.compare_digest(digest, known):
                owner = name
        return owner if scheme.lower() == "bearer" else None

    def _audit(self, scope: Scope, path: str, who: str, status: int) -> None:
        method = scope["method"]
        if not path.startswith("/api/") or (method, path) in NOT_AUDITED:
            return
        entry = AuditEntry(
            at=time.time(),
            who=who,
            address=_address(scope),
            method=method[:8],
            path="".join(c if c.isprintable() else "?" for c in path[:200]),
            status=status,
            job_id=_job_of(scope),
        )
        self._audit_log.add(entry)

    def _log(self, scope: Scope, path: str, who: str | None, status: int, seconds: float) -> None:
        method = scope["method"]
        route = getattr(scope.get("route"), "path_format", "") or "other"
        known_method = method if method in METHODS else "other"  # arbitrary client values would fill the memory
        self._metrics.count_request(known_method, route, status, seconds)
        # Such a path contains its key and is not logged.
        shown = route if path.startswith(KEYED) else path[:200]
        about = {"method": method, "path": shown, "status": status, "who": who, "address": _address(scope)}
        log.info("request", extra={**about, "milliseconds": round(seconds * 1000, 1)})


def _job_of(scope: Scope) -> str | None:
    """The job that the request created or names."""
    job_id = scope.get("state", {}).get("job_id") or scope.get("path_params", {}).get("job_id", "")
    return job_id if JOB_ID.fullmatch(job_id) else None


def _address(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else ""


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _host_name(host: str) -> str:
    """The name in a Host header, without port or brackets; "" if there is none."""
    match = _HOST.fullmatch(host.lower())
    return "" if match is None else (match["address"] or match["name"]).rstrip(".")
