"""`avadclip report`, and the report folders that `avadclip detect` writes."""

from collections.abc import Collection, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avadclip.apps.cli.terminal.console import note, report_success
from avadclip.apps.cli.terminal.progress import show_work
from avadclip.extras import require_extra
from avadclip.report.extras import Extra
from avadclip.report.words import printable

if TYPE_CHECKING:
    from avadclip.apps.cli.terminal.progress import WorkProgress
    from avadclip.inference.detector import Detection


def report(
    results: Annotated[
        list[Path],
        typer.Argument(help="JSON results of `detect`: detection.json, or the output of `--format json --scores`."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "--output", file_okay=False, help="Output folder: a web page per video and an index page."
        ),
    ],
    video: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Path of the video, for a single result.", show_default="the path in the result"
        ),
    ] = None,
    also: Annotated[list[Extra] | None, typer.Option(help="Additional files in each folder.")] = None,
) -> None:
    """Write web pages from existing results.

    If a video is no longer at the path in its result, its page has no event
    pictures, and the viewer must choose the file.
    """
    from avadclip.report.documents import read_detections
    from avadclip.report.page_folder import write_index, write_page

    detections = [detection for path in results for detection in read_detections(path)]
    if video is not None and len(detections) > 1:
        raise typer.BadParameter(f"--video needs exactly one result, got {len(detections)}")
    sources = [Path(detection.source) for detection in detections]
    folders = report_folders(sources, out)
    with show_work(len(detections)) as work:
        for index, (detection, source, folder) in enumerate(zip(detections, sources, folders, strict=True)):
            work.begin(str(source), index)
            is_there = video is not None or source.is_file()  # a result could also name a folder, pipe or device
            page = write_page(
                detection,
                folder,
                video=(video or source) if is_there else None,
                also=also or (),
                on_progress=partial(work.advance, seconds_total=detection.media.duration_seconds),
            )
            with work.paused():
                if not is_there:
                    note(f"{source} not found; its page has no event pictures, and the viewer must choose the file")
                report_success(printable(str(page)))
    write_index(out)


class Reports:
    """Writer of the requested report folders of many videos.

    Args:
        videos: all videos; those that share a name get separate folders.
        out: folder of the plain reports, if any.
        pages: folder of the reports with a page, if any.
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
            require_extra("export")  # a missing library should fail now, not after hours of work

    def write(self, detection: "Detection", path: Path, work: "WorkProgress") -> str | None:
        """Write the reports of one video; return the path to open first, None if no report was requested."""
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
        """Write the index page, if there are pages."""
        if self._root is not None and self._root.is_dir():
            from avadclip.report.page_folder import write_index

            write_index(self._root)


def report_folders(videos: Sequence[Path], root: Path) -> list[Path]:
    """One folder per video, named by the video without suffix, numbered if several share the name."""
    folders: list[Path] = []
    taken: set[str] = set()
    for path in videos:
        names = chain([path.stem], (f"{path.stem}-{number}" for number in count(2)))
        name = next(name for name in names if name.casefold() not in taken)
        taken.add(name.casefold())  # two names that differ in case only are one folder on some systems
        folders.append(root / name)
    return folders
