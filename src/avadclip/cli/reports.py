"""The report folders that commands write."""

from collections.abc import Collection, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from avadclip.report.extras import Extra

if TYPE_CHECKING:
    from avadclip.cli.console import Work
    from avadclip.detection import Detection


class Reports:
    """Writes what was asked for about each of many videos.

    Args:
        videos: all there are; where several share a name, each gets a folder of its own.
        out: where plain report folders go, if anywhere.
        pages: where folders with a page go, if anywhere.
        also: more files beside the pages.

    Raises:
        ConfigError: a library that `also` needs is not installed.
    """

    def __init__(self, videos: list[Path], *, out: Path | None, pages: Path | None, also: Collection[Extra]) -> None:
        self._out = {} if out is None else dict(zip(videos, report_folders(videos, out), strict=True))
        self._pages = {} if pages is None else dict(zip(videos, report_folders(videos, pages), strict=True))
        self._root = pages
        self._also = also
        if Extra.TIMELINE in also:
            from avadclip.report.timeline_file import load_library

            load_library()  # better missed now than after hours of work

    def write(self, detection: "Detection", path: Path, work: "Work") -> str | None:
        """Write the reports of one video; where to look first, or None where nothing was asked for."""
        written: Path | None = None
        if path in self._out:
            from avadclip.report.folder import write_report

            written = write_report(detection, self._out[path])
        if path in self._pages:
            from avadclip.report.page_folder import write_page

            progress = partial(work.advance, seconds_total=detection.media.duration_seconds)
            written = write_page(detection, self._pages[path], video=path, also=self._also, on_progress=progress)
        return None if written is None else str(written)

    def finish(self) -> None:
        """Write the list of all pages, if there are any."""
        if self._root is not None and self._root.is_dir():
            from avadclip.report.page_folder import write_index

            write_index(self._root)


def report_folders(videos: Sequence[Path], root: Path) -> list[Path]:
    """A folder for every video: its name without the suffix, and a number where several videos share it."""
    folders: list[Path] = []
    taken: set[str] = set()
    for path in videos:
        names = chain([path.stem], (f"{path.stem}-{number}" for number in count(2)))
        name = next(name for name in names if name.casefold() not in taken)
        taken.add(name.casefold())  # two names that differ in case only are one folder on some systems
        folders.append(root / name)
    return folders
