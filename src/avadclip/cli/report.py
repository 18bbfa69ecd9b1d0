"""`avadclip report`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from avadclip.cli.console import note, show_work
from avadclip.cli.reports import report_folders
from avadclip.report.extras import Extra
from avadclip.report.words import printable


def report(
    results: Annotated[
        list[Path], typer.Argument(help="JSON of `detect`: detection.json, or what `--format json --scores` printed.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "--output", file_okay=False, help="Folder for a page per video, and a list of all of them."
        ),
    ],
    video: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="The video of the only result.", show_default="where the result names it"),
    ] = None,
    also: Annotated[list[Extra] | None, typer.Option(help="More files in each folder.")] = None,
) -> None:
    """Write pages to look at, from results that are there already.

    A video that is no longer where its result names it is left out: its page
    has no pictures of events, and asks for the file.
    """
    from avadclip.report.documents import read_detections
    from avadclip.report.page_folder import write_index, write_page

    detections = [detection for path in results for detection in read_detections(path)]
    if video is not None and len(detections) > 1:
        raise typer.BadParameter(f"--video is for one result, not {len(detections)}")
    sources = [Path(detection.source) for detection in detections]
    folders = report_folders(sources, out)
    with show_work(len(detections)) as work:
        for index, (detection, source, folder) in enumerate(zip(detections, sources, folders, strict=True)):
            work.begin(str(source), index)
            is_there = video is not None or source.is_file()  # no folder, pipe or device that a result may name
            page = write_page(
                detection,
                folder,
                video=(video or source) if is_there else None,
                also=also or (),
                on_progress=partial(work.advance, seconds_total=detection.media.duration_seconds),
            )
            with work.paused():
                if not is_there:
                    note(f"{source} is not there; its page asks for the file, and events have no pictures")
                typer.echo(printable(str(page)))
    write_index(out)
