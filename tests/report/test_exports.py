import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avadclip.events import Event, NamedSound
from avadclip.inference.detector import Detection
from avadclip.report.exports import EVENT_FIELDS, event_row, to_csv, to_document, to_json, to_webvtt

MakeDetection = Callable[..., Detection]
REPOSITORY = Path(__file__).parents[2]

shares = st.floats(0, 1, width=32)
moments = st.floats(0, 400_000)
events = st.builds(
    lambda start, length, **fields: Event(start=start, end=start + length, **fields),
    start=moments,
    length=st.floats(0.001, 10_000),
    id=st.text(min_size=1, max_size=20),
    source=st.text(min_size=1, max_size=40),
    label=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20),
    score=shares,
    severity=st.sampled_from(["alert", "detection"]),
    modality=st.sampled_from(["audio-visual", "visual", "audio"]),
    model=st.text(min_size=1, max_size=20),
    threshold=shares,
    sound_gain=st.none() | st.floats(-1, 1, width=32),
    picture_gain=st.none() | st.floats(-1, 1, width=32),
    snapshot=st.none() | st.just("peaks/a,b.jpg"),
)


def with_events(detection: Detection, *found: Event) -> Detection:
    return dataclasses.replace(detection, events=found)


def as_cells(event: dict[str, Any]) -> dict[str, str]:
    """An event without sounds as the CSV has it."""
    assert event["sounds"] == []
    return {name: "" if value in (None, []) else str(value) for name, value in event.items()}


def read_webvtt(text: str) -> list[tuple[str, float, float, str]]:
    """Blocks by empty lines, as the WebVTT parser does; (id, start, end, text) of every cue."""
    cues = []
    blocks = [block.split("\n") for block in re.split(r"\n{2,}", text.strip("\n"))]
    assert blocks[0] == ["WEBVTT"]
    for lines in blocks[1:]:
        if not any("-->" in line for line in lines):
            assert lines[0].startswith("NOTE ")
            continue
        identifier, times, words = lines if len(lines) == 3 else ["", *lines]
        assert "-->" not in identifier + words
        start, end = (to_seconds(part) for part in times.split(" --> "))
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", words)
        cues.append((identifier, start, end, unescape(words)))
    return cues


def to_seconds(stamp: str) -> float:
    match = re.fullmatch(r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})", stamp)
    assert match, stamp
    hours, minutes, seconds, milliseconds = map(int, match.groups())
    return (hours * 3_600_000 + minutes * 60_000 + seconds * 1000 + milliseconds) / 1000


def test_every_field_of_an_event_is_exported() -> None:
    assert set(EVENT_FIELDS) == set(Event.model_fields)


def test_the_columns_of_0_1_0_keep_their_places() -> None:
    first = "id,source,label,score,start,end,severity,modality,model,threshold,snapshot,sound_gain,picture_gain"
    assert EVENT_FIELDS[:13] == tuple(first.split(","))


@settings(max_examples=60)
@given(st.lists(events, max_size=4))
def test_csv_gives_back_what_was_written(found: list[Event]) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(found), newline="")))
    assert rows == [as_cells(event_row(event)) for event in found]


@settings(max_examples=60)
@given(found=st.lists(events, max_size=4))
def test_webvtt_gives_back_times_labels_and_scores(made_up: MakeDetection, found: list[Event]) -> None:
    cues = read_webvtt(to_webvtt(with_events(made_up(3), *found)))
    assert len(cues) == len(found)
    for event, (_, start, end, words) in zip(found, cues, strict=True):
        assert start == pytest.approx(event.start, abs=0.00051)
        assert end == pytest.approx(event.end, abs=0.0016)
        assert end > start
        assert words == " ".join(f"{event.label} {event.score:.2f} ({event.severity})".split()).replace("-->", "->")


def test_webvtt_by_hand(made_up: MakeDetection) -> None:
    changes = {"id": "yard-1", "start": 3599.9996, "end": 3661.5, "label": "a < b & c"}
    event = made_up(3).events[0].model_copy(update=changes)
    text = to_webvtt(with_events(made_up(3, source="yard\n-->.mp4"), event))
    assert text == (
        "WEBVTT\n\nNOTE yard ->.mp4, scored by avadclip starter, picture and sound\n\n"
        "yard-1\n01:00:00.000 --> 01:01:01.500\na &lt; b &amp; c 0.99 (alert)\n"
    )


def test_an_event_shorter_than_a_millisecond_still_has_a_valid_cue(made_up: MakeDetection) -> None:
    event = made_up(3).events[0].model_copy(update={"start": 1.0, "end": 1.0})
    assert "00:00:01.000 --> 00:00:01.001" in to_webvtt(with_events(made_up(3), event))


def test_json_holds_the_same_events_as_csv(made_up: MakeDetection) -> None:
    detection = made_up(200)
    assert len(detection.events) > 3
    rows = csv.DictReader(io.StringIO(to_csv(detection.events), newline=""))
    assert list(rows) == [as_cells(event) for event in json.loads(to_json(detection))["events"]]


def test_scores_are_in_the_json_only_if_requested(made_up: MakeDetection) -> None:
    detection = made_up(5)
    assert "scores" not in json.loads(to_json(detection))
    scores = json.loads(to_json(detection, include_scores=True))["scores"]
    assert scores["anomaly"] == pytest.approx(detection.track.scores, abs=1e-6)
    assert scores["visual_student"] == pytest.approx(detection.visual_track.scores, abs=1e-6)
    assert scores["audio_student"] is None
    assert [len(row) for row in scores["class_probabilities"]] == [2] * 5


def test_json_does_not_reveal_the_path_of_the_video(made_up: MakeDetection) -> None:
    assert "/home/someone" not in to_json(made_up(5), include_scores=True)


def test_a_video_without_sound_has_null_for_it(made_up: MakeDetection) -> None:
    document = to_document(made_up(5, with_sound=False))
    assert document["media"]["sound"] is None
    assert all(event["sound_gain"] is None for event in document["events"])


def test_a_file_name_that_is_not_utf8_can_be_exported(made_up: MakeDetection) -> None:
    source = b"yard-\xff.mp4".decode("utf-8", "surrogateescape")
    detection = made_up(5, source=source)
    for text in (to_json(detection), to_csv(detection.events), to_webvtt(detection)):
        assert "yard-\ufffd.mp4" in text
        text.encode()


def test_the_named_sounds_are_in_the_json(made_up: MakeDetection) -> None:
    document = json.loads(to_json(made_up(16, with_named_sounds=True)))
    speech = {"name": "Speech", "probability": 0.82, "start": 0.0, "end": 5.333}
    glass = {"name": "Glass", "probability": 0.71, "start": 5.333, "end": 6.667}
    assert document["sounds"] == [speech, glass]
    assert document["sound_summary"] == "speech; 0:05 glass"
    assert document["rules"]["sounds"] == [
        {"label": "glass", "names": ["Glass", "Shatter"], "threshold": 0.3, "is_sudden": False}
    ]
    (event,) = [event for event in document["events"] if event["kind"] == "sound"]
    assert [event[key] for key in ("label", "model", "severity", "sounds")] == ["glass", "yamnet", "detection", [glass]]


def test_sounds_that_were_not_named_are_null_in_the_json(made_up: MakeDetection) -> None:
    document = to_document(made_up(16))
    assert [document["sounds"], document["sound_summary"], document["rules"]["sounds"]] == [None, None, None]
    assert {event["kind"] for event in document["events"]} == {"model"}
    assert all(event["sounds"] == [] for event in document["events"])


def named(name: str, probability: float, start: float, end: float) -> NamedSound:
    return NamedSound(name=name, probability=probability, start=start, end=end)


def test_the_sounds_of_an_event_are_one_readable_cell(made_up: MakeDetection) -> None:
    sounds = (named("Speech", 0.82, 1.3, 3.4), named("Gunshot, gunfire", 0.714, 3605.04, 3606))
    event = made_up(3).events[0].model_copy(update={"sounds": sounds})
    (row,) = csv.DictReader(io.StringIO(to_csv([event]), newline=""))
    assert row["sounds"] == "Speech 0.82 0:01.3-0:03.4; Gunshot, gunfire 0.71 1:00:05.0-1:00:06.0"


def test_webvtt_marks_events_of_sounds_and_names_the_sounds_of_others(made_up: MakeDetection) -> None:
    sounds = (named("Gunshot, gunfire", 0.9, 0, 1), named("Speech", 0.5, 0, 1))
    event = made_up(3).events[0].model_copy(update={"sounds": sounds, "score": 0.9})
    alone = event.model_copy(update={"kind": "sound", "label": "gunshot", "severity": "detection"})
    words = [cue[3] for cue in read_webvtt(to_webvtt(with_events(made_up(3), event, alone)))]
    assert words == ["fighting 0.90 (alert), sounds: gunshot, speech", "gunshot 0.90 (sound)"]


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a --> b", "a\n\n00:01.000 --> 00:02.000\nb", "\udcff"])
def test_a_sound_of_any_name_stays_in_its_cue_and_cell(made_up: MakeDetection, name: str) -> None:
    event = made_up(3).events[0].model_copy(update={"sounds": (named(name, 0.9, 0, 1),)})
    detection = dataclasses.replace(made_up(3), events=(event,), sounds=event.sounds)
    ((_, _, _, words),) = read_webvtt(to_webvtt(detection))
    assert ", sounds: " in words
    (row,) = csv.DictReader(io.StringIO(to_csv([event]), newline=""))
    assert "\n" not in row["sounds"]
    assert row["sounds"].endswith(" 0.90 0:00.0-0:01.0")
    to_json(detection).encode()


def test_the_json_keys_are_those_of_the_documentation(made_up: MakeDetection) -> None:
    page = (REPOSITORY / "docs" / "detect.md").read_text()
    document = to_document(made_up(5, with_named_sounds=True), include_scores=True)
    parts = (document, document["media"], document["scores"], document["rules"])
    parts += (*document["rules"]["sounds"], *document["events"], *document["sounds"])
    keys = {key for part in parts for key in part}
    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []
    assert document["format"] in page
