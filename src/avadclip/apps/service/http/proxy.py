"""The service behind a proxy, at a path of another site."""

from starlette.types import Scope


def route_path(scope: Scope) -> str:
    """The path of a request without the prefix of a proxy."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
