"""Connections of clients: no client can hold so many, or keep them waiting so long, that others find none."""

import asyncio
import logging
from http import HTTPStatus
from typing import Literal

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from avadclip.apps.service.http.headers import with_security_headers
from avadclip.apps.service.problems import problem_response

HEAD_SECONDS = 10.0  # for the head of a request, and for the rest of a body whose request was refused
BODY_SECONDS = 30.0  # between two pieces of a body
MAX_CONNECTIONS = 4000
FILES_PER_CONNECTION = 2  # its socket, and the video that it sends or receives
SPARE_FILES = 512  # for the database, child processes, and connections accepted in one turn of the event loop
ACCEPT_SHARE = 4  # of all connections, this part is accepted in one turn, so that each has some turns to be read

log = logging.getLogger(__name__)


class ImpatientProtocol(H11Protocol):
    """uvicorn's protocol with time limits for clients; at `limit_concurrency`, who lets wait the longest has to go."""

    _timer: asyncio.TimerHandle | None = None
    _awaited: Literal["head", "body"] | None = None
    _waits_since: float | None = None
    """Since when it is the client's turn, in the event loop's time; None while it is ours."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, and make room for it."""
        super().connection_made(transport)
        self._wait("head", HEAD_SECONDS)
        limit, self.limit_concurrency = self.limit_concurrency, None  # uvicorn would only refuse the newest
        if limit is not None and len(self.connections) >= limit:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Take in data."""
        super().data_received(data)
        self._review()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._review()

    def pause_writing(self) -> None:
        """Note that the client does not read."""
        super().pause_writing()
        self._waits_since = self.loop.time()

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        super().resume_writing()
        self._waits_since = None if self._awaited is None else self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._wait(None)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST, f"{msg} Send HTTP/1.1")

    def _review(self) -> None:
        """Set the time limit of what the connection waits for now."""
        if self.cycle is None or self.cycle.response_complete:
            if self._awaited != "head":  # set once: a head that trickles in is given up too
                self._wait("head", HEAD_SECONDS)
        elif self.cycle.more_body:
            self._wait("body", BODY_SECONDS)
        else:
            self._wait(None)

    def _wait(self, awaited: Literal["head", "body"] | None, seconds: float = 0.0) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._awaited = awaited
        self._timer = None if awaited is None else self.loop.call_later(seconds, self._give_up)
        self._waits_since = None if awaited is None else self.loop.time()

    def _give_up(self) -> None:
        if self._is_held_up():
            self._wait("body", BODY_SECONDS)
        else:
            self.transport.abort()

    def _is_held_up(self) -> bool:
        """Whether the rest of a body waits for the service to read what came before it."""
        return self._awaited == "body" and (self.flow.read_paused or self.cycle.waiting_for_100_continue)

    def _make_room(self) -> None:
        waiting = {
            other: other._waits_since
            for other in self.connections
            if isinstance(other, ImpatientProtocol) and other._waits_since is not None and not other._is_held_up()
        }
        del waiting[self]
        if not waiting:
            log.warning("connection refused: too many")
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections; try again later")
            return
        log.warning("connection closed for a new one: too many")
        longest = min(waiting, key=lambda other: waiting[other])
        self.connections.discard(longest)
        longest.transport.abort()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        response = problem_response(status, detail)
        headers = with_security_headers([*response.raw_headers, (b"connection", b"close")])
        events = [
            h11.Response(status_code=status, headers=headers, reason=status.phrase.encode()),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        ]
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def raise_file_limit() -> int:
    """Raise this process's limit of open files as far as connections need it; return how many fit below it."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MAX_CONNECTIONS
    wanted = SPARE_FILES + FILES_PER_CONNECTION * MAX_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < possible:
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    return max(1, (possible - SPARE_FILES) // FILES_PER_CONNECTION)
