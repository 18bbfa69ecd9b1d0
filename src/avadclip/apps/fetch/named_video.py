"""Download of a video whose URL the user named: it may be in a private network, what it redirects to may not."""

import re
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import ip_network
from pathlib import Path

from avadclip.apps.fetch.download import FetchError, FetchRules, fetch
from avadclip.errors import DataError

MAX_BYTES = 4_000_000_000  # as the service's default
ANYWHERE = FetchRules(hosts=None, networks=(ip_network("0.0.0.0/0"), ip_network("::/0")), allows_credentials=True)
PUBLIC = FetchRules(hosts=None)
SNIFFED_BYTES = 1024
PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)


def is_web_address(name: str) -> bool:
    """Whether a name on the command line is a URL to download."""
    return name.lower().startswith(("http://", "https://"))


def fetch_named_video(url: str, folder: Path, on_progress: Callable[[int], None]) -> Path:
    """Download a video into an empty folder, under the name that its URL ends with.

    Args:
        url: of scheme http or https; a name and password in it are sent to its host only.
        folder: created if missing; the caller removes it.
        on_progress: called with the number of bytes so far.

    Raises:
        FetchError: refused, unreachable or too slow, too large, or a web page.
        DataError: the file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / ".partial"
        with partial.open("wb") as file:

            def write(chunk: bytes) -> None:
                num_bytes = file.tell()
                if num_bytes < SNIFFED_BYTES and PAGE.match(chunk):
                    raise _refused("the server sent a web page; give the URL of the video itself")
                if num_bytes + len(chunk) > MAX_BYTES:
                    raise _refused(f"it is larger than {MAX_BYTES / 1e9:g} GB; download it, and give the file")
                try:
                    file.write(chunk)
                except OSError as error:
                    raise _unwritable(folder, error) from error
                on_progress(num_bytes + len(chunk))

            name = fetch(url, write, rules=ANYWHERE, redirect_rules=PUBLIC)
        return partial.rename(folder / _file_name(name))
    except OSError as error:
        raise _unwritable(folder, error) from error


def _refused(reason: str) -> FetchError:
    return FetchError(HTTPStatus.BAD_GATEWAY, reason)


def _unwritable(folder: Path, error: OSError) -> DataError:
    return DataError(f"it cannot be kept in {folder} ({error.strerror or error}); make room, or set TMPDIR")


def _file_name(name: str) -> str:
    """A plain file name, also from the URL of a hostile server."""
    return re.sub(r"[^\w. -]", "_", name)[-100:].lstrip(". ") or "video"
