"""Messages of replayed scores, by hand."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from avadclip.apps.live.causal import Judgement
from avadclip.apps.live.config import CameraConfig
from avadclip.apps.live.event_stream import CameraEvents, EventStream
from avadclip.apps.live.spans import ScoredSnippet
from avadclip.encoders.base import SoundTags
from avadclip.events import EventRules, NamedSound, SoundRule, Thresholds

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
        "kind": "model",
        "sounds": (),
        "picture": None,
        "picture_link": None,
    }
    assert new.before is None
    assert (update.before, update.after.score, update.after.severity) == (new.after, 0.9, "alert")
    assert (end.before, end.after.score, end.after.end) == (update.after, 0.9, MONDAY_NOON + 5)
    assert [message.id for message in (new, update, end)] == [f"{new.after.id}.{number}" for number in range(3)]
    assert stream.num_events == 1


def test_a_change_of_the_label_is_an_update() -> None:
    stream = EventStream("yard", CameraConfig(source="x"), model="tiny")
    shares = [0.0, *[0.9] * 10]
    told = [message for i, riot in enumerate(shares) for message in stream.push(judge(i, 0.6, riot=riot))]
    assert [(message.type, message.after.label) for message in told] == [("new", "fighting"), ("update", "riot")]


def test_updates_of_an_event_are_ten_seconds_apart_unless_it_becomes_an_alert() -> None:
    rising = [round(0.5 + 0.001 * i, 3) for i in range(26)]
    _, steps = replay([*rising[:13], 0.85, *rising[14:], 0.9, 0.1, 0.1])
    assert [(i, *[message.type for message in step]) for i, step in enumerate(steps) if step] == [
        (0, "new"), (10, "update"), (13, "update"), (26, "update"), (27, "end")
    ]  # fmt: skip
    assert [steps[i][0].after.score for i in (10, 13, 26)] == [0.51, 0.85, 0.9]
    assert [steps[i][0].after.severity for i in (10, 13)] == ["detection", "alert"]


def test_what_an_update_held_back_is_in_the_end() -> None:
    _, steps = replay([0.6, 0.7, 0.1, 0.1])
    assert [(message.type, message.after.score) for step in steps for message in step] == [("new", 0.6), ("end", 0.7)]


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


def test_a_failed_recording_is_told_at_once_and_until_the_end() -> None:
    stream, _ = replay([0.9])
    (update,) = stream.report_failed_recording(f"yard-{round(MONDAY_NOON * 1000)}", "No space left on device")
    assert stream.report_failed_recording("yard-1", "of another event") == []
    (end,) = stream.finish("the camera is offline")
    failure = "recording failed: No space left on device"
    assert (update.type, update.number, update.note) == ("update", 1, failure)
    assert (end.type, end.number, end.note) == ("end", 2, f"the camera is offline; {failure}")
    assert [m.note for m in stream.push(judge(9, 0.9))] == [None]


def test_a_recording_that_fails_after_the_end_repeats_the_end() -> None:
    stream, steps = replay([0.9, 0.1, 0.1, 0.9])
    _, end, _ = (message for step in steps for message in step)
    (again,) = stream.report_failed_recording(end.after.id, "No space left on device")
    assert (again.type, again.number, again.after) == ("end", 2, end.after)
    assert again.note == "recording failed: No space left on device"
    assert [(m.type, m.number, m.note) for m in stream.finish("bye")] == [("end", 1, "bye")]  # the next event's


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


def test_a_clock_that_was_set_back_silences_no_camera() -> None:
    stream, _ = replay([0.9, 0.1, 0.1], cooldown_seconds=60)
    stream.finish("camera disconnected: the clock was set")
    (new,) = stream.push(judge(0, 0.9, start=MONDAY_NOON - 40 * 86400))
    assert (new.type, stream.num_unsent) == ("new", 0)


@pytest.mark.parametrize(("schedule", "num_sent"), [(["mon 11:00-13:00"], 1), (["tue", "mon 13:00-14:00"], 0)])
def test_events_outside_the_schedule_are_counted_and_not_sent(schedule, num_sent) -> None:
    stream, steps = replay([0.9, 0.1, 0.1], schedule=schedule)
    assert sum(m.type == "new" for step in steps for m in step) == num_sent
    assert (stream.num_events, stream.num_unsent) == (1, 1 - num_sent)


def test_rules_of_a_camera_are_those_of_the_library_where_it_has_none() -> None:
    assert CameraConfig(source="x").rules == EventRules()
    rules = CameraConfig(source="x", threshold=0.25, min_seconds=2.0, merge_gap_seconds=3.0).rules
    assert rules == EventRules(0.25, min_seconds=2.0, merge_gap_seconds=3.0)


NAMES = ("Beep", "Bleep", "Glass")
RULES = (SoundRule("long beep", ("Beep", "Bleep"), 0.5), SoundRule("glass", ("Glass",), 0.4))


def hear(index, score, probabilities):
    """A judgement with the probabilities of NAMES; None: without sound."""
    judgement = judge(index, score)
    if probabilities is None:
        return judgement
    order = np.arange(len(NAMES), dtype=np.uint16)[None]
    tags = SoundTags(NAMES, order, np.array([probabilities], np.float16))
    return judgement._replace(tags=tags)


def listen(steps, **config):
    events = CameraEvents("yard", CameraConfig(source="x", **config), model="tiny", tagger="ears", sounds=RULES)
    return events, [events.push(hear(i, score, heard)) for i, (score, heard) in enumerate(steps)]


def told(steps):
    """Per message, the second at which it came, its type, and the label of its event."""
    return [(i, message.type, message.after.label) for i, step in enumerate(steps) for message in step]


QUIET = (0.0, 0.0, 0.0)


def test_a_sound_raises_an_event_of_its_own() -> None:
    _, steps = listen([(0.1, QUIET), (0.1, (0.0, 0.75, 0.0)), (0.1, (0.5, 0.0, 0.0)), (0.1, QUIET), (0.1, QUIET)])
    assert told(steps) == [(1, "new", "long beep"), (3, "end", "long beep")]
    start = MONDAY_NOON + 1
    assert steps[3][0].after.model_dump() == {
        "id": f"yard.long-beep-{round(start * 1000)}",
        "source": "yard",
        "label": "long beep",
        "score": 0.75,
        "start": start,
        "end": MONDAY_NOON + 3,
        "severity": "detection",
        "modality": "audio",
        "model": "ears",
        "threshold": 0.5,
        "sound_gain": None,
        "kind": "sound",
        "sounds": (),
        "picture": None,
        "picture_link": None,
    }


def test_events_of_the_model_and_of_sounds_are_open_side_by_side() -> None:
    beep, glass = (0.75, 0.0, 0.0), (0.75, 0.0, 0.75)
    events, steps = listen([(0.6, beep), (0.6, glass), (0.6, QUIET), (0.1, QUIET), (0.1, None)])
    assert told(steps) == [
        (0, "new", "fighting"), (0, "new", "long beep"), (1, "new", "glass"),
        (2, "end", "long beep"), (2, "end", "glass"), (3, "end", "fighting"),
    ]  # fmt: skip
    assert len({message.after.id for step in steps for message in step}) == 3
    assert len({message.id for step in steps for message in step}) == 6
    assert (events.num_events, events.num_unsent) == (3, 0)


def test_a_sound_ends_where_the_camera_loses_its_sound_or_itself() -> None:
    beep = (0.75, 0.0, 0.0)
    _, steps = listen([(0.1, beep), (0.1, None), (0.1, None)])
    assert told(steps) == [(0, "new", "long beep"), (1, "end", "long beep")]
    events, _ = listen([(0.6, beep)])
    assert [(m.type, m.after.kind, m.note) for m in events.finish("gone")] == [
        ("end", "model", "gone"),
        ("end", "sound", "gone"),
    ]


def test_another_network_ends_no_event_of_a_sound() -> None:
    events, _ = listen([(0.6, (0.75, 0.0, 0.0))])
    changed = judge(1, 0.1, network="visual student")._replace(tags=hear(1, 0.1, (0.75, 0.0, 0.0)).tags)
    assert [(message.type, message.after.kind) for message in events.push(changed)] == [("end", "model")]


def test_cooldown_and_schedule_hold_for_each_sound() -> None:
    beep, glass = (0.75, 0.0, 0.0), (0.0, 0.0, 0.75)
    events, steps = listen([(0.1, each) for each in (beep, QUIET, glass, QUIET, beep, QUIET)], cooldown_seconds=4)
    assert [entry for entry in told(steps) if entry[1] == "new"] == [(0, "new", "long beep"), (2, "new", "glass")]
    assert (events.num_events, events.num_unsent) == (3, 1)
    events, steps = listen([(0.1, beep)], schedule=["tue"])
    assert (told(steps), events.num_unsent) == ([], 1)


def test_thresholds_of_the_model_are_not_those_of_sounds() -> None:
    _, steps = listen([(0.1, (0.5, 0.0, 0.0))], threshold=0.9, alert=0.1)
    (new,) = steps[0]
    assert (new.after.threshold, new.after.severity) == (0.5, "detection")


def test_a_new_sound_is_an_update_and_a_change_of_a_known_one_is_none() -> None:
    stream = EventStream("yard", CameraConfig(source="x"), model="tiny")
    told = []
    for i, probabilities in enumerate([{"Glass": 0.25}, *[{"Glass": 0.5}] * 10, {"Glass": 0.5, "Speech": 0.25}, {}]):
        judgement = judge(i, 0.6)
        start = judgement.snippet.start
        sounds = (NamedSound(name=n, probability=p, start=start, end=start + 1) for n, p in probabilities.items())
        told.append(stream.push(judgement._replace(snippet=replace(judgement.snippet, sounds=tuple(sounds)))))
    assert [(i, message.type) for i, step in enumerate(told) for message in step] == [(0, "new"), (11, "update")]
    assert [(s.name, s.probability) for s in told[11][0].after.sounds] == [("Glass", 0.5), ("Speech", 0.25)]
