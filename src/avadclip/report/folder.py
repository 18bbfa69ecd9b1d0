"""The report folder of one video."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avadclip.files import write_atomically
from avadclip.inference.detector import Detection
from avadclip.report.exports import to_csv, to_json, to_webvtt
from avadclip.report.figures.detection import save_figure


def write_report(detection: Detection, folder: Path) -> Path:
    """Write detection.json (with every snippet's scores), events.csv, events.vtt and scores.png.

    The files appear together, after all of them are complete. In an existing folder these four files are replaced and
    nothing else is changed.

    Args:
        detection: result of one video.
        folder: created with its parents if missing.

    Returns:
        The folder.
    """
    with staged(folder) as stage:
        write_files(detection, stage)
    return folder


def write_files(detection: Detection, folder: Path) -> None:
    """Write the four files of `write_report` directly into a folder."""
    write_atomically(folder / "detection.json", to_json(detection, include_scores=True))
    write_atomically(folder / "events.csv", to_csv(detection.events))
    write_atomically(folder / "events.vtt", to_webvtt(detection))
    save_figure(detection, folder / "scores.png")


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder whose content moves into `folder` at the end of the block; an error discards it.

    Entries of the same name in `folder` are replaced.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".report-", ignore_cleanup_errors=True) as name:
        stage = Path(name)
        yield stage
        folder.mkdir(exist_ok=True)
        for path in sorted(stage.iterdir()):
            target = folder / path.name
            if target.is_dir():
                shutil.rmtree(target)
            path.replace(target)
