"""Export of events to ELAN, an annotation tool: EAF, format 3.0."""

import mimetypes
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from avadclip.events import Event, NamedSound
from avadclip.files import write_atomically
from avadclip.inference.detector import Detection
from avadclip.report.exports import clean_text
from avadclip.report.sounds import rows_by_name
from avadclip.report.words import printable

SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
EVENT_TIER, SCORE_TIER = "event", "score"
EVENT_TYPE, SCORE_TYPE = "events", "scores of events"


def write_elan(detection: Detection, media_url: str | None, path: Path) -> None:
    """Write a tier of labels with their times in milliseconds, a child tier of their scores, and tiers of sounds.

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
    header = _add_header(document, detection, media_url)
    _add_tiers(document, detection)
    last = SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId")
    last.text = str(len(list(document.iter("ANNOTATION"))))
    _add_types(document)
    ElementTree.indent(document)
    text = ElementTree.tostring(document, encoding="unicode")
    write_atomically(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')


def _add_header(document: Element, detection: Detection, media_url: str | None) -> Element:
    name = Path(clean_text(detection.source)).name
    header = SubElement(document, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    url = media_url or quote(name)
    mime = mimetypes.guess_type(name)[0] or "unknown"
    SubElement(header, "MEDIA_DESCRIPTOR", MEDIA_URL=url, RELATIVE_MEDIA_URL=url, MIME_TYPE=mime)
    return header


def _add_tiers(document: Element, detection: Detection) -> None:
    """The schema wants all times first, each under a name of its own, then the tiers that refer to them."""
    times = SubElement(document, "TIME_ORDER")
    events = SubElement(document, "TIER", TIER_ID=EVENT_TIER, LINGUISTIC_TYPE_REF=EVENT_TYPE)
    scores = SubElement(document, "TIER", TIER_ID=SCORE_TIER, LINGUISTIC_TYPE_REF=SCORE_TYPE, PARENT_REF=EVENT_TIER)
    numbers = count(1)
    for event in detection.events:
        if event.kind == "model":
            key = _add_stretch(times, events, next(numbers), event, event.label)
            belonging = SubElement(
                SubElement(scores, "ANNOTATION"),
                "REF_ANNOTATION",
                ANNOTATION_ID=f"a{next(numbers)}",
                ANNOTATION_REF=key,
            )
            SubElement(belonging, "ANNOTATION_VALUE").text = f"{event.score:.3f} {event.severity}"
    for name, stretches in _sound_tiers(detection).items():
        tier = SubElement(document, "TIER", TIER_ID=name, LINGUISTIC_TYPE_REF=EVENT_TYPE)
        for stretch, text in stretches:
            _add_stretch(times, tier, next(numbers), stretch, text)


def _sound_tiers(detection: Detection) -> dict[str, list[tuple[Event | NamedSound, str]]]:
    """Stretches and their text by tier: one per sound, since annotations of one tier must not overlap."""
    tiers: dict[str, list[tuple[Event | NamedSound, str]]] = {}
    for event in detection.events:
        if event.kind == "sound":
            name = printable(f"sound event: {event.label}")
            tiers.setdefault(name, []).append((event, f"{event.label} {event.score:.3f}"))
    for name, sounds in rows_by_name(detection.sounds or ()).items():
        tiers[printable(f"sound: {name}")] = [(sound, f"{name} {sound.probability:.3f}") for sound in sounds]
    return tiers


def _add_stretch(times: Element, tier: Element, number: int, stretch: Event | NamedSound, text: str) -> str:
    """Add an annotation and its two times; return its id, a unique number being given."""
    slots = [f"ts{2 * number - 1}", f"ts{2 * number}"]
    for slot, seconds in zip(slots, (stretch.start, stretch.end), strict=True):
        SubElement(times, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(round(1000 * seconds)))
    annotation = SubElement(
        SubElement(tier, "ANNOTATION"),
        "ALIGNABLE_ANNOTATION",
        ANNOTATION_ID=f"a{number}",
        TIME_SLOT_REF1=slots[0],
        TIME_SLOT_REF2=slots[1],
    )
    SubElement(annotation, "ANNOTATION_VALUE").text = printable(text)
    return f"a{number}"


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
