"""`avadclip report`, and the report folders that `avadclip detect` writes."""

import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avadclip.apps.cli.inputs import Inputs, local_inputs
from avadclip.apps.cli.terminal.console import note, report_success
from avadclip.apps.cli.terminal.progress import show_work
from avadclip.errors import DataError
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
        str | None,
        typer.Option(
            help="Path or http(s) URL of the video, for a single result.", show_default="the path in the result"
        ),
    ] = None,
    also: Annotated[list[Extra] | None, typer.Option(help="Additional files in each folder.")] = None,
) -> None:
    """Write web pages from existing results.

    If a video is no longer at the path in its result, its page has no event
    pictures, and the viewer must choose the file.
    """
    from avadclip.report.documents import read_detections
    from avadclip.report.page_folder import write_index

    detections = [detection for path in results for detection in read_detections(path)]
    if video is not None and len(detections) > 1:
        raise typer.BadParameter(f"--video needs exactly one result, got {len(detections)}")
    with local_inputs([] if video is None else [video]) as given:
        if given.problems:
            raise DataError(given.problems[0])
        if len(given.videos) > 1:
            raise typer.BadParameter(f"--video needs one video, got {len(given.videos)}")
        _write_pages(detections, given, out, also or ())
    write_index(out)


def _write_pages(detections: "Sequence[Detection]", given: Inputs, out: Path, also: Collection[Extra]) -> None:
    """Write a page for each result; `given` has the video of a single one, if the user named it."""
    from avadclip.report.page_folder import write_page

    sources = [Path(detection.source) for detection in detections]
    folders = report_folders(sources, out)
    with show_work(len(detections)) as work:
        for index, (detection, source, folder) in enumerate(zip(detections, sources, folders, strict=True)):
            work.begin(detection.source, index)
            video = given.videos[0] if given.videos else source
            is_there = bool(given.videos) or source.is_file()  # a result could also name a folder, pipe or device
            with _place_for_page(video, folder, is_download=video in given.addresses) as place:
                page = write_page(
                    detection,
                    folder,
                    video=place if is_there else None,
                    also=also,
                    on_progress=partial(work.advance, seconds_total=detection.media.duration_seconds),
                )
            with work.paused():
                if not is_there:
                    name = detection.source
                    note(f"{name} not found; its page has no event pictures, and the viewer must choose the file")
                report_success(printable(str(page)))


class Reports:
    """Writer of the requested report folders of many videos.

    Args:
        inputs: all videos; those that share a name get separate folders.
        out: folder of the plain reports, if any.
        pages: folder of the reports with a page, if any.
        also: more files beside the pages.

    Raises:
        ConfigError: a library that `also` needs is not installed.
    """

    def __init__(self, inputs: Inputs, *, out: Path | None, pages: Path | None, also: Collection[Extra]) -> None:
        videos, self._downloads = inputs.videos, inputs.addresses
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
            folder = self._pages[path]
            with _place_for_page(path, folder, is_download=path in self._downloads) as place:
                written = write_page(detection, folder, video=place, also=self._also, on_progress=progress)
        return None if written is None else str(written)

    def finish(self) -> None:
        """Write the index page, if there are pages."""
        if self._root is not None and self._root.is_dir():
            from avadclip.report.page_folder import write_index

            write_index(self._root)


@contextmanager
def _place_for_page(video: Path, folder: Path, *, is_download: bool) -> Iterator[Path]:
    """The path that a page shows a video from: its own, or for a download the page's folder, if the block succeeds."""
    if not is_download:
        yield video
        return
    folder.mkdir(parents=True, exist_ok=True)
    place = Path(shutil.move(video, folder / f"original{video.suffix}"))
    try:
        yield place
    except BaseException:
        place.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()  # unless it contains an earlier page
        raise


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
