"""Files of a public Google Drive folder, by the pages that a browser without an account gets."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

from avadclip.encoders.downloads.cache import check_record
from avadclip.encoders.downloads.transfer import fetch, read_page
from avadclip.errors import WeightsError

FOLDER_PAGE = "https://drive.google.com/embeddedfolderview"
DOWNLOAD_PAGE = "https://drive.usercontent.google.com/download"
MAX_DEPTH = 2  # folders inside the folder


def find_files(folder_id: str, names: tuple[str, ...]) -> dict[str, str]:
    """The ids of files by their names, in a folder or in folders inside it.

    Raises:
        WeightsError: a file is not there, or the page cannot be read.
    """
    found = _list_folder(folder_id, MAX_DEPTH)
    missing = [name for name in names if name not in found]
    if missing:
        others = f"; it lists {', '.join(sorted(found)[:5])}" if found else ""
        raise WeightsError(f"the Google Drive folder {folder_id} has no {' nor '.join(missing)}{others}")
    return {name: found[name] for name in names}


def fetch_file(file_id: str, target: Path, *, max_bytes: int) -> None:
    """Download a file; of a large one, a page first asks for a confirmation. Raises WeightsError."""
    url = f"{DOWNLOAD_PAGE}?{urlencode({'id': file_id, 'export': 'download', 'confirm': 't'})}"
    page = read_page(url)
    if page is not None:
        url = _confirmed(page[1])
    fetch(url, target, max_bytes=max_bytes, check=lambda path: check_record(path, target.name, f"drive:{file_id}"))


def _list_folder(folder_id: str, depth: int) -> dict[str, str]:
    page = read_page(f"{FOLDER_PAGE}?{urlencode({'id': folder_id})}")
    parser = _DrivePage()
    parser.feed("" if page is None else page[1])
    inner = [_list_folder(other, depth - 1) for other in parser.folders] if depth else []
    return {name: file_id for files in [*inner, parser.files] for name, file_id in files.items()}


def _confirmed(page: str) -> str:
    """The URL of the form on the page that asks for a confirmation."""
    parser = _DrivePage()
    parser.feed(page)
    if parser.form is None:
        raise WeightsError("Google Drive answered with a page without a download (its daily limit may be reached)")
    return f"{parser.form}?{urlencode(parser.fields)}"


class _DrivePage(HTMLParser):
    """What the pages of a folder and of a confirmation hold."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, str] = {}
        self.folders: list[str] = []
        self.form: str | None = None
        self.fields: dict[str, str] = {}
        self._file_id: str | None = None
        self._is_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the link of an entry, and the form with its hidden fields."""
        values = {name: value or "" for name, value in attrs}
        if tag == "a" and (link := re.search(r"/(file/d|folders)/([\w-]+)", values.get("href", ""))):
            self._file_id = link[2] if link[1] == "file/d" else None
            if self._file_id is None:
                self.folders.append(link[2])
        elif tag == "form" and values.get("id") == "download-form":
            self.form = values.get("action")
        elif tag == "input" and values.get("type") == "hidden":
            self.fields[values.get("name", "")] = values.get("value", "")
        self._is_title = "flip-entry-title" in values.get("class", "").split()

    def handle_data(self, data: str) -> None:
        """Take the name of an entry."""
        if self._is_title and self._file_id is not None:
            self.files[data.strip()] = self._file_id
            self._is_title = False
