"""Download of one file: whole or not at all, continued after an interruption, and only as large as expected."""

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx2

from avadclip import __version__
from avadclip.encoders.downloads import notice
from avadclip.errors import WeightsError

SILENCE_SECONDS = 20.0  # without receiving a byte
MAX_REDIRECTS = 5
MAX_PAGE_BYTES = 2**22  # of an index or of a folder's page
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Bytes as they are stored: a compressed answer could not be continued.
HEADERS = {"User-Agent": f"avadclip/{__version__}", "Accept-Encoding": "identity"}


def fetch(url: str, target: Path, *, max_bytes: int, check: Callable[[Path], None] | None = None) -> None:
    """Download a file. What an interrupted download left in `TARGET.partial` is continued.

    Args:
        url: https; http only on this machine. Proxies come from the environment.
        target: the file; it is replaced once the download is whole and checked.
        max_bytes: a larger file is refused.
        check: is given the whole file before it gets its name, and raises WeightsError if it is not the right one.

    Raises:
        WeightsError: with what was found and needed, not yet with what to do.
    """
    partial = target.with_name(f"{target.name}.partial")
    with explained(url):
        target.parent.mkdir(parents=True, exist_ok=True)
        _download(url, partial, max_bytes)
        try:
            if check is not None:
                check(partial)
        except WeightsError:
            _remove(partial)
            raise
        partial.replace(target)
        _validator_file(partial).unlink(missing_ok=True)


def read_page(url: str, *, accept: str = "text/html") -> tuple[str, str] | None:
    """Read a web page; None if the answer is a file.

    Args:
        url: as for `fetch`.
        accept: media types, as in the header of this name.

    Returns:
        The page's URL after redirects, and its text.
    """
    with explained(url), _get(url, {"Accept": accept}) as response:
        _refuse_unless(response, HTTPStatus.OK)
        if not response.headers.get("Content-Type", "").startswith(("text/html", "application/vnd.pypi.simple")):
            return None
        content = b""
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > MAX_PAGE_BYTES:
                raise WeightsError(f"the page of {host_of(url)} is larger than {notice.megabytes(MAX_PAGE_BYTES)}")
        return str(response.url), content.decode("utf-8", "replace")


def host_of(url: str) -> str:
    """The host of a URL, for messages: a URL may hold a password or a token."""
    return httpx2.URL(url).host


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn errors of the network and of the disk into a WeightsError of one line."""
    try:
        yield
    except (httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.ReadTimeout) as error:
        raise WeightsError(f"the connection to {host_of(url)} broke ({_reason(error)})") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise WeightsError(f"{host_of(url)} cannot be reached ({_reason(error)})") from error
    except OSError as error:
        raise WeightsError(f"{error.filename or 'a file'} cannot be written ({error.strerror or error})") from error


def _download(url: str, partial: Path, max_bytes: int) -> None:
    headers = _rest_of(partial)
    with _get(url, headers) as response:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and headers:
            _remove(partial)
            _download(url, partial, max_bytes)
            return
        _refuse_unless(response, HTTPStatus.OK, *([HTTPStatus.PARTIAL_CONTENT] if headers else []))
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise WeightsError(f"{host_of(url)} answered with a web page, needed a file")
        start = _start(response, partial)
        length = response.headers.get("Content-Length")
        if length is None and "Transfer-Encoding" not in response.headers:  # its end could be an interruption
            raise WeightsError(f"{host_of(url)} does not state the size of the file")
        total = None if length is None else start + int(length)
        if total is not None and total > max_bytes:
            raise _too_large(partial, total, max_bytes)
        _write(response, partial, start, total, max_bytes)


def _write(response: httpx2.Response, partial: Path, start: int, total: int | None, max_bytes: int) -> None:
    name = partial.name.removesuffix(".partial")
    try:
        if not start:
            _validator_file(partial).write_text(_validator(response.headers), encoding="utf-8")
        with partial.open("ab" if start else "wb") as file, notice.show_progress(name, total) as advance:
            for chunk in response.iter_raw():
                file.write(chunk)
                if file.tell() > max_bytes:
                    raise _too_large(partial, file.tell(), max_bytes)
                advance(file.tell())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _remove(partial)  # it fills the very disk that is full
        error.filename = error.filename or str(partial)
        raise


def _rest_of(partial: Path) -> dict[str, str]:
    """Headers that ask for the rest of an interrupted download, if the server still has the same file."""
    validator = _validator_file(partial)
    if not partial.is_file() or not partial.stat().st_size or not validator.is_file():
        return {}
    known = validator.read_text(encoding="utf-8")
    return {"Range": f"bytes={partial.stat().st_size}-", "If-Range": known} if known else {}


def _start(response: httpx2.Response, partial: Path) -> int:
    """The byte that the answer begins with."""
    if response.status_code != HTTPStatus.PARTIAL_CONTENT:
        return 0
    size = partial.stat().st_size
    if not response.headers.get("Content-Range", "").startswith(f"bytes {size}-"):
        _remove(partial)
        raise WeightsError(f"{response.url.host} answered with another part of the file than asked for")
    return size


def _validator(headers: Mapping[str, str]) -> str:
    """What says whether the file is still the same: a strong ETag, or a date."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def _validator_file(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.etag")


def _remove(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _validator_file(partial).unlink(missing_ok=True)


def _too_large(partial: Path, found: int, max_bytes: int) -> WeightsError:
    _remove(partial)
    name = partial.name.removesuffix(".partial")
    return WeightsError(f"{name} has {found} bytes or more, needed at most {max_bytes}")


@contextmanager
def _get(url: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
    """Follow redirects, each of them to https or inside this machine."""
    with httpx2.Client(timeout=SILENCE_SECONDS, headers=HEADERS) as client:
        for _ in range(MAX_REDIRECTS + 1):
            target = httpx2.URL(url)
            if target.scheme != "https" and not (target.scheme == "http" and target.host in LOOPBACK):
                raise WeightsError(f"{target.host} is addressed by {target.scheme or 'no scheme'}, needed https")
            with client.stream("GET", url, headers=headers) as response:
                if not response.has_redirect_location:
                    yield response
                    return
                url = str(response.url.join(response.headers["Location"]))
    raise WeightsError(f"{host_of(url)} redirects more than {MAX_REDIRECTS} times")


def _refuse_unless(response: httpx2.Response, *accepted: HTTPStatus) -> None:
    if response.status_code not in accepted:
        raise WeightsError(f"{response.url.host} answered with status {response.status_code}")


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
