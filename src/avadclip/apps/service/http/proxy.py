"""The service behind a proxy, at a path of another site."""

import re
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


class BehindProxy:
    """Middleware that takes client, scheme and prefix of a request from the headers of a trusted proxy.

    Args:
        app: the application.
        root_path: prefix where no X-Forwarded-Prefix is sent; "" for none.
        trusted_hosts: addresses and networks of proxies.
    """

    def __init__(self, app: Any, *, root_path: str, trusted_hosts: list[str] | str) -> None:
        self._app = ProxyHeadersMiddleware(app, trusted_hosts)
        self._root_path = root_path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Forward a request; the proxy has taken the prefix away from its path."""
        if scope["type"] == "http":
            prefix = self._prefix(scope)
            scope["root_path"] = prefix
            scope["path"] = prefix + scope["path"]
            scope["raw_path"] = prefix.encode() + scope["raw_path"]
        await self._app(scope, receive, send)

    def _prefix(self, scope: Scope) -> str:
        given = Headers(scope=scope).get("x-forwarded-prefix", "").rstrip("/")
        client = scope["client"][0] if scope["client"] else None
        # A prefix is written into links: another one than of names and slashes could lead to another site.
        return given if client in self._app.trusted_hosts and PREFIX.fullmatch(given) else self._root_path


def route_path(scope: Scope) -> str:
    """The path of a request without the prefix; "" for the prefix itself."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
