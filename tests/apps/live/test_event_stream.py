"""Messages of replayed scores, by hand."""

from datetime import datetime

import numpy as np
import pytest

from avadclip.apps.live.causal import Judgement
from avadclip.apps.live.config import CameraConfig
from avadclip.apps.live.event_stream import EventStream
from avadclip.apps.live.spans import ScoredSnippet
from avadclip.events import EventRules, Thresholds

CLASSES = ("normal", "fighting", "riot")
MONDAY_NOON = datetime(2026, 1, 5, 12).timestamp()


def judge(index, score, *, network="teacher", riot=0.0, start=MONDAY_NOON):
    probabilities = np.array([1 - score, score * (1 - riot), score * riot], np.float32)
    snippet = ScoredSnippet(start + index, start + index + 1, np.float32(score), probabilities, 0.125)
    thresholds = {"teacher": Thresholds(0.5, 0.8), "visual student": Thresholds(0.4, None)}[network]
    modality = "audio-visual" if network == "teacher" else "visual"
    return Judgement(snippet, network, modality, "made up", CLASSES, thresholds, 0.0)


def replay(scores, *, start=MONDAY_NOON, **config):
    stream = EventStream("yard", CameraConfig(source="x", **config), model="tiny")
    steps = [stream.push(judge(i, score, start=start)) for i, score in enumerate(scores)]
    return stream, steps


def test_new_update_and_end_are_what_the_scores_imply() -> None:
    stream, steps = replay([0.1, 0.6, 0.6, 0.9, 0.5, 0.1, 0.1])
    assert [[message.type for message in step] for step in steps] == [[], ["new"], [], ["update"], [], ["end"], []]
    new, update, end = (message for step in steps for message in step)
    start = MONDAY_NOON + 1
    assert new.after.model_dump() == {
        "id": f"yard-{round(start * 1000)}",
        "source": "yard",
        "label": "fighting",
        "score": 0.6,
        "start": start,
        "end": None,
        "severity": "detection",
        "modality": "audio-visual",
        "model": "tiny",
        "threshold": 0.5,
        "sound_gain": 0.125,
        "snapshot": None,
    }
    assert new.before is None
    assert (update.before, update.after.score, update.after.severity) == (new.after, 0.9, "alert")
    assert (end.before, end.after.score, end.after.end) == (update.after, 0.9, MONDAY_NOON + 5)
    assert [message.id for message in (new, update, end)] == [f"{new.after.id}.{number}" for number in range(3)]
    assert stream.num_events == 1


def test_a_change_of_the_label_is_an_update() -> None:
    stream = EventStream("yard", CameraConfig(source="x"), model="tiny")
    told = [message for i, riot in enumerate([0.0, 0.9, 0.9]) for message in stream.push(judge(i, 0.6, riot=riot))]
    # Mean shares of riot over the event: 0, .45, .6.
    assert [(message.type, message.after.label) for message in told] == [("new", "fighting"), ("update", "riot")]


def test_another_network_ends_the_event_with_a_note() -> None:
    stream = EventStream("yard", CameraConfig(source="x"), model="tiny")
    told = [*stream.push(judge(0, 0.6)), *stream.push(judge(1, 0.45, network="visual student"))]
    assert [(m.type, m.after.modality, m.after.threshold) for m in told] == [
        ("new", "audio-visual", 0.5),
        ("end", "audio-visual", 0.5),
        ("new", "visual", 0.4),  # the student's own threshold
    ]
    assert told[1].note == "network changed to picture only: made up"


def test_a_disconnected_camera_ends_its_event() -> None:
    stream, _ = replay([0.9])
    (end,) = stream.finish("the camera is offline")
    assert (end.type, end.after.end, end.note) == ("end", MONDAY_NOON + 1, "the camera is offline")
    assert stream.finish("again") == []


def test_the_cameras_thresholds_come_before_the_models() -> None:
    _, steps = replay([0.6, 0.72, 0.1, 0.1], threshold=0.7, alert=0.71)
    new, _ = (message for step in steps for message in step)
    assert (new.after.start - MONDAY_NOON, new.after.threshold, new.after.severity) == (
        0,
        0.7,
        "alert",
    )


def test_events_within_the_cooldown_are_counted_and_not_sent() -> None:
    scores = [0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.9, 0.1]
    stream, steps = replay(scores, cooldown_seconds=4)
    starts = [m.after.start - MONDAY_NOON for step in steps for m in step if m.type == "new"]
    assert starts == [0, 6]  # the second begins 2 s after the first one's end, the third 5 s
    assert (stream.num_events, stream.num_unsent) == (3, 1)
    assert [m.type for step in steps for m in step] == ["new", "end", "new", "end"]


@pytest.mark.parametrize(("schedule", "num_sent"), [(["mon 11:00-13:00"], 1), (["tue", "mon 13:00-14:00"], 0)])
def test_events_outside_the_schedule_are_counted_and_not_sent(schedule, num_sent) -> None:
    stream, steps = replay([0.9, 0.1, 0.1], schedule=schedule)
    assert sum(m.type == "new" for step in steps for m in step) == num_sent
    assert (stream.num_events, stream.num_unsent) == (1, 1 - num_sent)


def test_rules_of_a_camera_are_those_of_the_library_where_it_has_none() -> None:
    assert CameraConfig(source="x").rules == EventRules()
    rules = CameraConfig(source="x", threshold=0.25, min_seconds=2.0, merge_gap_seconds=3.0).rules
    assert rules == EventRules(0.25, min_seconds=2.0, merge_gap_seconds=3.0)
