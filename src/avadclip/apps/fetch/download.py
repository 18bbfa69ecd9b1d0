"""Download of a file from an allowed host.

A name is resolved once, all its addresses are checked, and the connection goes to a checked address, which prevents
DNS rebinding. Redirects pass the same checks.
"""

import base64
import http.client
import socket
import ssl
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from avadclip.apps.fetch.addresses import Address, Network, is_allowed, parse_address
from avadclip.errors import AvadclipError

MAX_REDIRECTS = 3
SILENCE_SECONDS = 20.0  # without receiving a byte
FETCH_SECONDS = 3600.0  # for the whole file
CHUNK_BYTES = 1024 * 1024
PORTS = {"http": 80, "https": 443}
ASCII = "".join(map(chr, range(128)))  # what is not is sent in percent-encoding
REDIRECTS = (301, 302, 303, 307, 308)


class FetchError(AvadclipError):
    """A URL is refused (403), or its server fails (502) or is too slow (504)."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class FetchRules(NamedTuple):
    """What may be fetched."""

    hosts: frozenset[str] | None
    """Names of allowed hosts, in lower case; None allows every name."""
    networks: tuple[Network, ...] = ()
    """Networks outside the public internet that the hosts may be in."""
    allows_credentials: bool = False
    """Whether the URL may contain a name and a password; they are sent as Basic authentication."""


class Target(NamedTuple):
    """A checked URL and the address to connect to."""

    url: SplitResult
    host: str
    port: int
    address: str


def check_url(url: str, rules: FetchRules) -> Target:
    """Check scheme, host and addresses.

    Raises:
        FetchError: 403 for another scheme, credentials, or a host or address that is not allowed; 502 where the name
            is unknown.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port or PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise FetchError(HTTPStatus.FORBIDDEN, "the URL cannot be parsed; give http(s)://host/path") from error
    if parts.scheme not in PORTS or not host or not url.isprintable() or " " in url:
        raise FetchError(HTTPStatus.FORBIDDEN, "only http and https URLs are fetched; give one of those")
    if not rules.allows_credentials and (parts.username is not None or parts.password is not None):
        raise FetchError(HTTPStatus.FORBIDDEN, "the URL contains credentials; give one without")
    if rules.hosts is not None and host not in rules.hosts:
        raise FetchError(HTTPStatus.FORBIDDEN, "videos are not fetched from this host; ask the operator to allow it")
    addresses = _resolve(host, port)
    if not all(is_allowed(address, rules.networks) for address in addresses):
        raise FetchError(
            HTTPStatus.FORBIDDEN,
            "the host has an address outside the public internet, in no allowed network; give a public URL",
        )
    return Target(parts, host, port, str(addresses[0]))


def fetch(url: str, write: Callable[[bytes], None], *, rules: FetchRules, redirect_rules: FetchRules) -> str:
    """Download a file within an hour, following up to three redirects.

    Args:
        url: see `check_url`.
        write: called with the bytes; an AvadclipError in it ends the download and is passed on.
        rules: for the URL, and for redirects within its host.
        redirect_rules: for redirects to other hosts.

    Returns:
        The file name at the end of the final URL, "" if it has none.

    Raises:
        FetchError: as `check_url`; 502 where the other side fails, 504 where it is too slow.
    """
    deadline = time.monotonic() + FETCH_SECONDS
    target = check_url(url, rules)
    try:
        for _ in range(MAX_REDIRECTS + 1):
            location = _get(target, write, deadline)
            if location is None:
                return unquote(target.url.path.rpartition("/")[2])
            redirected = _check_redirect(_joined(target, location), target, rules, redirect_rules)
            if redirected.url.scheme != target.url.scheme:
                raise FetchError(HTTPStatus.FORBIDDEN, "the URL redirects to another scheme; give the final URL")
            target = redirected
    except TimeoutError as error:
        raise FetchError(HTTPStatus.GATEWAY_TIMEOUT, "the other server is too slow; try again later") from error
    except (OSError, http.client.HTTPException) as error:
        raise FetchError(
            HTTPStatus.BAD_GATEWAY, "the other server is unreachable or closed the connection; try again later"
        ) from error
    raise FetchError(HTTPStatus.BAD_GATEWAY, f"more than {MAX_REDIRECTS} redirects; give the final URL")


def _joined(target: Target, location: str) -> str:
    try:
        return urljoin(target.url.geturl(), location)
    except ValueError as error:
        raise FetchError(
            HTTPStatus.BAD_GATEWAY, "the URL redirects to an address that cannot be parsed; give the final URL"
        ) from error


def _check_redirect(url: str, origin: Target, rules: FetchRules, redirect_rules: FetchRules) -> Target:
    redirected = check_url(url, rules)
    if redirected.host != origin.host:
        return check_url(url, redirect_rules)
    return redirected._replace(address=origin.address)  # the name could lead elsewhere by now


def _get(target: Target, write: Callable[[bytes], None], deadline: float) -> str | None:
    """Send one request; write the body, or return the target of a redirect."""
    connection = _connect(target)
    try:
        path = quote((target.url.path or "/") + (f"?{target.url.query}" if target.url.query else ""), safe=ASCII)
        headers = {"Accept-Encoding": "identity", "User-Agent": "avadclip"}
        if target.url.username is not None:
            credentials = unquote(f"{target.url.username}:{target.url.password or ''}")
            headers["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        if response.status in REDIRECTS:
            return quote((response.getheader("Location") or "").encode("latin-1"), safe=ASCII)  # of any encoding
        if response.status != HTTPStatus.OK:
            raise FetchError(
                HTTPStatus.BAD_GATEWAY, f"the other server responded with status {response.status}; check the URL"
            )
        while chunk := response.read1(CHUNK_BYTES):  # available bytes; `read` could block for ever on a slow server
            write(chunk)
            if time.monotonic() > deadline:
                raise TimeoutError
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        return None
    finally:
        connection.close()


def _connect(target: Target) -> http.client.HTTPConnection:
    """Connect to the checked address; the host name is only used in the request and in TLS."""
    connection = http.client.HTTPConnection(target.host, target.port, timeout=SILENCE_SECONDS)
    sock = socket.create_connection((target.address, target.port), SILENCE_SECONDS)
    if target.url.scheme == "https":
        sock = ssl.create_default_context().wrap_socket(sock, server_hostname=target.host)
        connection.default_port = PORTS["https"]  # sets the port of the Host header
    connection.sock = sock
    return connection


def _resolve(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchError(HTTPStatus.BAD_GATEWAY, "the host name cannot be resolved; check the URL") from error
    return [parse_address(str(address[0])) for *_, address in found]
