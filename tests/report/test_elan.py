import dataclasses
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from pympi.Elan import Eaf

from avadclip.inference.detector import Detection
from avadclip.report.elan import write_elan

MakeDetection = Callable[..., Detection]

# The order that the schema of EAF 3.0 wants its elements in.
ORDER = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT"]
NEEDED = {
    "ANNOTATION_DOCUMENT": {"AUTHOR", "DATE", "VERSION"},
    "MEDIA_DESCRIPTOR": {"MEDIA_URL", "MIME_TYPE"},
    "TIME_SLOT": {"TIME_SLOT_ID"},
    "TIER": {"TIER_ID", "LINGUISTIC_TYPE_REF"},
    "ALIGNABLE_ANNOTATION": {"ANNOTATION_ID", "TIME_SLOT_REF1", "TIME_SLOT_REF2"},
    "REF_ANNOTATION": {"ANNOTATION_ID", "ANNOTATION_REF"},
    "LINGUISTIC_TYPE": {"LINGUISTIC_TYPE_ID"},
    "CONSTRAINT": {"STEREOTYPE"},
}


@pytest.fixture
def detection(made_up: MakeDetection) -> Detection:
    classes = ("normal", "fight & <flight>", "car accident")
    made = made_up(200, source='a <"&> \x1b.mp4', classes=classes, with_named_sounds=True)
    assert len(made.events) > 4
    return made


def test_another_reader_finds_the_events(detection: Detection, tmp_path: Path) -> None:
    write_elan(detection, "../yard%20a.mp4", tmp_path / "events.eaf")
    read = Eaf(str(tmp_path / "events.eaf"))
    of_model = [event for event in detection.events if event.kind == "model"]
    assert read.get_annotation_data_for_tier("event") == [
        (round(1000 * event.start), round(1000 * event.end), event.label) for event in of_model
    ]
    assert [values[2] for values in read.get_annotation_data_for_tier("score")] == [
        f"{event.score:.3f} {event.severity}" for event in of_model
    ]
    assert read.get_annotation_data_for_tier("sound event: glass") == [(66667, 68000, "glass 0.710")]
    assert read.get_annotation_data_for_tier("sound: Glass") == [(66667, 68000, "Glass 0.710")]
    assert read.get_annotation_data_for_tier("sound: Speech") == [(0, 66667, "Speech 0.820")]
    (media,) = read.get_linked_files()
    assert (media["RELATIVE_MEDIA_URL"], media["MIME_TYPE"]) == ("../yard%20a.mp4", "video/mp4")


@pytest.mark.parametrize("with_events", [True, False])
def test_the_rules_of_the_schema_are_kept(detection: Detection, tmp_path: Path, with_events: bool) -> None:
    if not with_events:
        detection = dataclasses.replace(detection, events=())
    write_elan(detection, None, tmp_path / "events.eaf")
    root = ElementTree.parse(tmp_path / "events.eaf").getroot()
    tags = [child.tag for child in root]
    assert tags == sorted(tags, key=ORDER.index)
    for element in root.iter():
        assert NEEDED.get(element.tag, set()) <= set(element.attrib), element.tag
    assert datetime.fromisoformat(root.attrib["DATE"]).tzinfo is not None
    last = next(each.text for each in root.iter("PROPERTY") if each.attrib["NAME"] == "lastUsedAnnotationId")
    assert int(last) == len(list(root.iter("ANNOTATION")))
    identifiers = [
        value
        for element in root.iter()
        for key, value in element.attrib.items()
        if key in ("TIME_SLOT_ID", "ANNOTATION_ID", "STEREOTYPE")
    ]
    assert len(identifiers) == len(set(identifiers))
    references = [
        value
        for element in root.iter()
        for key, value in element.attrib.items()
        if key in ("TIME_SLOT_REF1", "TIME_SLOT_REF2", "ANNOTATION_REF", "CONSTRAINTS")
    ]
    assert set(references) <= set(identifiers)
    types = {element.attrib["LINGUISTIC_TYPE_ID"] for element in root.iter("LINGUISTIC_TYPE")}
    assert {tier.attrib["LINGUISTIC_TYPE_REF"] for tier in root.iter("TIER")} == types
    tiers = {tier.attrib["TIER_ID"] for tier in root.iter("TIER")}
    assert {tier.attrib["PARENT_REF"] for tier in root.iter("TIER") if "PARENT_REF" in tier.attrib} < tiers
    assert all(slot.attrib["TIME_VALUE"].isdigit() for slot in root.iter("TIME_SLOT"))
    url = next(root.iter("MEDIA_DESCRIPTOR")).attrib["MEDIA_URL"]
    assert urlsplit(url).path == "a%20%3C%22%26%3E%20%1B.mp4"
