"""Export of events to Label Studio as predictions to correct: its import JSON, `timelinelabels`."""

import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from avadclip.events import Event
from avadclip.files import write_atomically
from avadclip.inference.detector import Detection
from avadclip.media.times.frame_rate import NOMINAL_RATE_HZ
from avadclip.report.exports import clean_text, dump_json

CONTROL, VIDEO = "event", "video"
"""Names shared by the labelling interface and the predictions."""
SOURCE = "source"
"""Names the result, whatever the video's URL is; see corrections.py."""


def write_label_studio(detection: Detection, media_url: str | None, path: Path) -> None:
    """Write the tasks to import, and the labelling interface they need as .xml beside them.

    Args:
        detection: whose events are written.
        media_url: URL of the video; None uses the source path. Label Studio loads it from its own server, so it usually
            has to be changed to the URL of the uploaded video.
        path: of the JSON file.
    """
    task = label_studio_task(detection, media_url or clean_text(detection.source))
    write_atomically(path.with_suffix(".xml"), label_studio_interface(detection))
    write_atomically(path, dump_json([task]) + "\n")


def label_studio_task(detection: Detection, url: str) -> dict[str, Any]:
    """Build the task: the video and one prediction with a region per event."""
    rate_hz = frame_rate(detection)
    return {
        "data": {VIDEO: url, SOURCE: clean_text(detection.source)},
        "predictions": [
            {
                "model_version": detection.model,
                "score": round(max((event.score for event in detection.events), default=0.0), 6),
                "result": [_region(number, event, rate_hz) for number, event in enumerate(detection.events, start=1)],
            }
        ],
    }


def label_studio_interface(detection: Detection) -> str:
    """Build the labelling interface: the model's anomaly classes, the labels of sounds, and the frame rate."""
    view = Element("View")
    labels = SubElement(view, "TimelineLabels", name=CONTROL, toName=VIDEO)
    for name in dict.fromkeys([*detection.track.classes[1:], *(event.label for event in detection.events)]):
        SubElement(labels, "Label", value=name)
    SubElement(view, "Video", name=VIDEO, value=f"${VIDEO}", frameRate=f"{frame_rate(detection):g}")
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def _region(number: int, event: Event, rate_hz: float) -> dict[str, Any]:
    """Build a region; frames are counted from 1, with the last one included."""
    first = math.floor(event.start * rate_hz) + 1
    return {
        "id": f"event-{number}",
        "from_name": CONTROL,
        "to_name": VIDEO,
        "type": "timelinelabels",
        "score": round(event.score, 6),
        "value": {
            "ranges": [{"start": first, "end": max(first, math.ceil(event.end * rate_hz))}],
            "timelinelabels": [event.label],
        },
    }


def frame_rate(detection: Detection) -> float:
    """Frames per second, by which Label Studio counts frames."""
    return detection.media.frame_rate_hz or NOMINAL_RATE_HZ
