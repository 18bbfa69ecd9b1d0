"""The report folder of one video."""

import tempfile
from pathlib import Path

from avadclip.detection import Detection
from avadclip.files import write_atomically
from avadclip.report.exports import to_csv, to_json, to_webvtt
from avadclip.report.figure import save_figure


def write_report(detection: Detection, folder: Path) -> Path:
    """Write detection.json (with every snippet's scores), events.csv, events.vtt and scores.png.

    The files appear together, after all of them are made. In a folder that exists, these four are replaced and nothing
    else is touched.

    Args:
        detection: what was found in one video.
        folder: made with its parents where missing.

    Returns:
        The folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".report-", ignore_cleanup_errors=True) as name:
        staged = Path(name)
        write_atomically(staged / "detection.json", to_json(detection, include_scores=True))
        write_atomically(staged / "events.csv", to_csv(detection.events))
        write_atomically(staged / "events.vtt", to_webvtt(detection))
        save_figure(detection, staged / "scores.png")
        folder.mkdir(exist_ok=True)
        for path in sorted(staged.iterdir()):
            path.replace(folder / path.name)
    return folder
