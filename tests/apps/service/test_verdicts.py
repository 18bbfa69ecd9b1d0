"""Verdicts on events: in the store, and over the API."""

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_up_events import make_live_event

from avadclip.apps.service.schemas import EventQuery, Job, JobState, LiveEventQuery, Origin, StoredEvent
from avadclip.apps.service.store.store import Store
from avadclip.apps.service.store.verdicts import VerdictStore
from avadclip.apps.service.verdicts.schemas import GivenVerdict, MissedSpan, VerdictQuery

REAL, FALSE_ALARM = GivenVerdict(verdict="real"), GivenVerdict(verdict="false alarm")
WRONG = GivenVerdict(verdict="wrong class", correct_label="Explosion")


@pytest.fixture
def store(make_database: Callable[[Path], str], tmp_path: Path) -> Iterator[Store]:
    store = Store(make_database(tmp_path))
    yield store
    store.close()


def add_done(store: Store, *starts: float, name: str = "yard.mp4") -> Job:
    """A job that has ended with an event at each of these seconds."""
    values = {"id": uuid.uuid4().hex, "name": name, "origin": Origin.UPLOAD, "path": "/x", "size_bytes": 7}
    values |= {"state": JobState.QUEUED, "requested_by": "local", "created_at": time.time()}
    store.add_job(Job.model_validate(values))
    job = store.claim_next()
    assert job is not None
    event = {"job_id": job.id, "source": job.name, "label": "fighting", "score": 0.9, "severity": "alert"}
    event |= {"modality": "visual", "model": "m", "threshold": 0.5, "sound_gain": None, "picture_gain": None}
    found = [
        event | {"id": f"{job.id}-{number:04d}", "start": at, "end": at + 1} for number, at in enumerate(starts, 1)
    ]
    assert store.finish(job, [StoredEvent.model_validate(each) for each in found], duration_seconds=60.0)
    return job


def test_a_later_verdict_replaces_an_earlier_one_and_a_withdrawn_one_is_gone(store: Store) -> None:
    verdicts, job = VerdictStore(store.database), add_done(store, 1.0)
    event = f"{job.id}-0001"
    first = verdicts.judge(event, REAL, by="ann")
    second = verdicts.judge(event, WRONG, by="ben")
    assert first is not None
    assert second is not None
    assert (second.id, second.judged_by, second.correct_label) == (first.id, "ben", "explosion")
    assert (second.start, second.end, second.label, second.source) == (1.0, 2.0, "fighting", "yard.mp4")
    assert verdicts.withdraw(second.id)
    assert not verdicts.withdraw(second.id)
    assert verdicts.on(event) is None


def test_lists_show_the_review_state_and_are_filtered_by_it(store: Store) -> None:
    verdicts, job = VerdictStore(store.database), add_done(store, 1.0, 2.0, 3.0)
    verdicts.judge(f"{job.id}-0001", REAL, by="ann")
    verdicts.judge(f"{job.id}-0002", FALSE_ALARM, by="ann")
    store.keep_live_event(make_live_event(id="yard-1"))
    store.keep_live_event(make_live_event(id="yard-2"))
    verdicts.judge_live("yard-2", WRONG, by="ann")
    states = {None: 3, "none": 1, "real": 1, "false alarm": 1, "wrong class": 0}
    for verdict, number in states.items():
        found, total = store.events(EventQuery(verdict=verdict))
        assert (len(found), total) == (number, number)
    assert [event.verdict for event in store.events(EventQuery())[0]] == ["real", "false alarm", None]
    (live,), total = store.live_events(LiveEventQuery(verdict="wrong class"))
    assert (live.id, live.correct_label, total) == ("yard-2", "explosion", 1)
    assert [each.id for each in store.live_events(LiveEventQuery(verdict="none"))[0]] == ["yard-1"]


def test_verdicts_go_with_their_job_event_and_age(store: Store) -> None:
    verdicts, job = VerdictStore(store.database), add_done(store, 1.0)
    verdicts.judge(f"{job.id}-0001", REAL, by="ann")
    verdicts.add_missed(MissedSpan(job=job.id, start=5, end=6, label="fighting"), by="ann")
    store.keep_live_event(make_live_event(id="yard-1", start=100.0, end=101.0))
    verdicts.judge_live("yard-1", FALSE_ALARM, by="ann")
    verdicts.add_missed(MissedSpan(camera="yard", start=100, end=102, label="fighting"), by="ann")
    assert verdicts.page(VerdictQuery())[1] == 4
    store.begin_deletion(job.id)
    assert [each.job_id for each in verdicts.page(VerdictQuery())[0]] == [None, None]
    store.end_deletion(job.id)
    store.forget_live_events(before=500.0)
    assert verdicts.page(VerdictQuery())[1] == 0


def test_a_newer_message_about_a_live_event_keeps_its_verdict(store: Store) -> None:
    verdicts = VerdictStore(store.database)
    store.keep_live_event(make_live_event(0))
    verdicts.judge_live("yard-1000", REAL, by="ann")
    store.keep_live_event(make_live_event(1, end=9.0, is_open=False))
    kept = verdicts.on_live("yard-1000")
    assert kept is not None
    assert (kept.verdict, kept.end) == ("real", 9.0)


@pytest.fixture
def judged(guarded: Any) -> tuple[Any, Job]:
    return guarded, add_done(guarded.service.store, 1.0, 2.0)


def test_verdicts_are_set_read_and_withdrawn_over_the_api(judged: tuple[Any, Job]) -> None:
    guarded, job = judged
    path = f"/api/events/{job.id}-0001/verdict"
    assert guarded.client.get(path).status_code == 404
    made = guarded.client.put(path, json={"verdict": "wrong class", "correct_label": "explosion"})
    assert (made.status_code, made.json()["judged_by"]) == (200, "ann")
    assert guarded.client.get(path).json() == made.json()
    listed = guarded.client.get("/api/events", params={"job": job.id, "verdict": "wrong class"}).json()
    assert [item["correct_label"] for item in listed["items"]] == ["explosion"]
    assert guarded.client.delete(path).status_code == 204
    assert guarded.client.delete(path).status_code == 404
    audited = guarded.client.get("/api/audit", params={"limit": 1000}).json()["items"]
    assert ("PUT", path, 200, job.id) in {
        (each["method"], each["path"], each["status"], each["job_id"]) for each in audited
    }


def test_missed_stretches_are_marked_listed_and_deleted(judged: tuple[Any, Job]) -> None:
    guarded, job = judged
    missed = {"job": job.id, "start": 10.0, "end": 12.0, "label": "Fighting"}
    made = guarded.client.post("/api/verdicts", json=missed)
    assert (made.status_code, made.json()["correct_label"], made.json()["event_id"]) == (201, "fighting", None)
    listed = guarded.client.get("/api/verdicts", params={"job": job.id, "verdict": "missed"}).json()
    assert listed == {"items": [made.json()], "total": 1}
    assert guarded.client.delete(f"/api/verdicts/{made.json()['id']}").status_code == 204
    assert guarded.client.get("/api/verdicts", params={"job": job.id}).json()["total"] == 0


def test_live_events_are_judged_over_the_api(guarded: Any) -> None:
    guarded.service.store.keep_live_event(make_live_event(id="hall-7-gunshot", source="hall"))
    path = "/api/live-events/hall-7-gunshot/verdict"
    assert guarded.client.put(path, json={"verdict": "false alarm"}).json()["source"] == "hall"
    assert guarded.client.get("/api/verdicts", params={"camera": "hall"}).json()["total"] == 1
    assert guarded.client.delete(path).status_code == 204
    assert guarded.client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"verdict": "maybe"}, "verdict"),
        ({"verdict": "wrong class"}, "needs `correct_label`"),
        ({"verdict": "wrong class", "correct_label": "fighting"}, "own class"),
        ({"verdict": "wrong class", "correct_label": "normal"}, "no class"),
        ({"verdict": "real", "correct_label": "riot"}, "has no `correct_label`"),
    ],
    ids=str,
)
def test_a_verdict_that_says_nothing_is_refused_with_the_reason(
    judged: tuple[Any, Job], body: dict[str, str], reason: str
) -> None:
    guarded, job = judged
    answer = guarded.client.put(f"/api/events/{job.id}-0001/verdict", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert reason in answer.json()["detail"]


def test_unknown_events_and_spans_outside_are_refused_and_a_token_is_needed(judged: tuple[Any, Job]) -> None:
    guarded, job = judged
    unknown = "0" * 32
    assert guarded.client.put(f"/api/events/{unknown}-0001/verdict", json={"verdict": "real"}).status_code == 404
    assert guarded.client.put("/api/live-events/none-1/verdict", json={"verdict": "real"}).status_code == 404
    for changes, status in (({"job": unknown}, 404), ({"start": 70.0, "end": 71.0}, 422), ({"end": 1.0}, 422)):
        missed = {"job": job.id, "start": 10.0, "end": 12.0, "label": "fighting"} | changes
        assert guarded.client.post("/api/verdicts", json=missed).status_code == status
    for request in (("PUT", f"/api/events/{job.id}-0001/verdict"), ("GET", "/api/verdicts")):
        without = guarded.client.request(*request, headers={"Authorization": ""})
        assert without.status_code == 401
