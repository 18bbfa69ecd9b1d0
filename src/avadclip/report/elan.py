"""Export of events to ELAN, an annotation tool: EAF, format 3.0."""

import mimetypes
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from avadclip.files import write_atomically
from avadclip.inference.detector import Detection
from avadclip.report.exports import clean_text
from avadclip.report.words import printable

SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
EVENT_TIER, SCORE_TIER = "event", "score"
EVENT_TYPE, SCORE_TYPE = "events", "scores of events"


def write_elan(detection: Detection, media_url: str | None, path: Path) -> None:
    """Write a tier of labels with their times in milliseconds, and a child tier with one score per label.

    Args:
        detection: whose events are written.
        media_url: URL of the video, relative or absolute; None writes only its name, and ELAN prompts for the file.
        path: of the file to write.
    """
    document = Element("ANNOTATION_DOCUMENT", {
        "AUTHOR": f"avadclip {detection.model}",
        "DATE": datetime.now(UTC).isoformat(timespec="seconds"),
        "FORMAT": "3.0",
        "VERSION": "3.0",
        "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
        "xsi:noNamespaceSchemaLocation": SCHEMA,
    })  # fmt: skip
    _add_header(document, detection, media_url)
    _add_events(document, detection)
    _add_types(document)
    ElementTree.indent(document)
    text = ElementTree.tostring(document, encoding="unicode")
    write_atomically(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')


def _add_header(document: Element, detection: Detection, media_url: str | None) -> None:
    name = Path(clean_text(detection.source)).name
    header = SubElement(document, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    url = media_url or quote(name)
    mime = mimetypes.guess_type(name)[0] or "unknown"
    SubElement(header, "MEDIA_DESCRIPTOR", MEDIA_URL=url, RELATIVE_MEDIA_URL=url, MIME_TYPE=mime)
    last = SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId")
    last.text = str(2 * len(detection.events))


def _add_events(document: Element, detection: Detection) -> None:
    """The schema wants all times first, each under a name of its own, then the tiers that refer to them."""
    times = SubElement(document, "TIME_ORDER")
    events = SubElement(document, "TIER", TIER_ID=EVENT_TIER, LINGUISTIC_TYPE_REF=EVENT_TYPE)
    scores = SubElement(document, "TIER", TIER_ID=SCORE_TIER, LINGUISTIC_TYPE_REF=SCORE_TYPE, PARENT_REF=EVENT_TIER)
    for index, event in enumerate(detection.events):
        slots = [f"ts{2 * index + 1}", f"ts{2 * index + 2}"]
        for slot, seconds in zip(slots, (event.start, event.end), strict=True):
            SubElement(times, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(round(1000 * seconds)))
        annotation = SubElement(
            SubElement(events, "ANNOTATION"),
            "ALIGNABLE_ANNOTATION",
            ANNOTATION_ID=f"a{2 * index + 1}",
            TIME_SLOT_REF1=slots[0],
            TIME_SLOT_REF2=slots[1],
        )
        SubElement(annotation, "ANNOTATION_VALUE").text = printable(event.label)
        belonging = SubElement(
            SubElement(scores, "ANNOTATION"),
            "REF_ANNOTATION",
            ANNOTATION_ID=f"a{2 * index + 2}",
            ANNOTATION_REF=f"a{2 * index + 1}",
        )
        SubElement(belonging, "ANNOTATION_VALUE").text = f"{event.score:.3f} {event.severity}"


def _add_types(document: Element) -> None:
    plain = {"GRAPHIC_REFERENCES": "false"}
    SubElement(document, "LINGUISTIC_TYPE", plain, LINGUISTIC_TYPE_ID=EVENT_TYPE, TIME_ALIGNABLE="true")
    stereotype = "Symbolic_Association"
    SubElement(
        document,
        "LINGUISTIC_TYPE",
        plain,
        LINGUISTIC_TYPE_ID=SCORE_TYPE,
        TIME_ALIGNABLE="false",
        CONSTRAINTS=stereotype,
    )
    SubElement(document, "CONSTRAINT", STEREOTYPE=stereotype, DESCRIPTION="1-1 association with a parent annotation")
