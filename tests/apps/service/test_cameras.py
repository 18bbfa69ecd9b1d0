"""Cameras of a watch at the service: what is stored, what the API answers, and which files it gives out."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_up_events import make_live_event

from avadclip.apps.live.messages import CameraStats, ScoreMessage, StatusMessage
from avadclip.apps.service.cameras.reporter import WRITE_SECONDS, CameraReporter
from avadclip.apps.service.cameras.schemas import STALE_SECONDS, CameraScore, CameraStatus
from avadclip.apps.service.store.store import Store
from avadclip.events import NamedSound

STATS = {"snippets": 0, "dropped_frames": 0, "starts": 1, "events": 0, "unsent_events": 0, "failed_recordings": 0}


def make_status(name: str = "yard", **changes: Any) -> CameraStatus:
    values = {"name": name, "written_at": time.time(), "state": "online", "reason": "picture and sound"}
    values |= {"network": "teacher", "dropped_seconds": 0.0, "picture_at": None, "recordings": None, "sounds": ()}
    return CameraStatus.model_validate(values | changes)


def score(start: float, value: float, *sounds: NamedSound) -> ScoreMessage:
    return ScoreMessage(
        camera="yard", start=start, end=start + 0.5, score=value, network="teacher", delay_seconds=0.1, sounds=sounds
    )


@pytest.fixture
def url(make_database: Callable[[Path], str], tmp_path: Path) -> str:
    return make_database(tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    made = Store(url)
    yield made
    made.close()


def test_a_curve_holds_one_hour_and_its_last_value(store: Store) -> None:
    first = [CameraScore(start=1000.0 + 5 * number, score=0.1) for number in range(720)]
    store.camera_store.keep([make_status()], {"yard": first, "gate": first[:1]})
    newest = [CameraScore(start=1000.0 + 5 * 719, score=0.7), CameraScore(start=1000.0 + 5 * 722, score=0.2)]
    store.camera_store.keep([make_status()], {"yard": newest})
    kept = store.camera_store.scores("yard")
    assert kept[0].start == 1000.0 + 5 * 722 - 3600
    assert kept[-2:] == newest
    assert store.camera_store.scores("gate") == first[:1]


def test_a_camera_that_nobody_watches_any_more_is_forgotten_with_its_curve(store: Store) -> None:
    point = {"old": [CameraScore(start=1.0, score=0.5)], "new": [CameraScore(start=2.0, score=0.5)]}
    store.camera_store.keep([make_status("old", written_at=10.0), make_status("new", written_at=20.0)], point)
    assert store.camera_store.forget(15.0) == ["old"]
    assert [status.name for status in store.camera_store.all()] == ["new"]
    assert (store.camera_store.scores("old"), store.camera_store.scores("new")) == ([], point["new"])


class MadeUpWatch:
    """A watch that dropped 2.5 s."""

    def camera_stats(self) -> dict[str, CameraStats]:
        return {"yard": CameraStats(dropped_seconds=2.5, **STATS)}

    def pictures(self) -> dict[str, Any]:
        return {}


def test_a_watch_writes_the_highest_score_of_each_five_seconds_and_its_end(url: str) -> None:
    reporter = CameraReporter(url, pictures=None, recordings=Path("recordings"))
    speech = NamedSound(name="Speech", probability=0.4, start=100.0, end=100.5)
    reporter.take(StatusMessage(camera="yard", time=100.0, state="online", reason="picture and sound"))
    for message in (score(100.0, 0.2, speech), score(104.9, 0.9), score(105.0, 0.3)):
        reporter.take(message)
    louder = speech.model_copy(update={"probability": 0.8, "start": 107.0, "end": 107.5})
    reporter.take(score(107.0, 0.1, louder))
    reporter.follow(MadeUpWatch())
    reporter.finish()
    store = Store(url)
    (status,) = store.camera_store.all()
    assert (status.state, status.dropped_seconds, status.sounds) == ("stopped", 2.5, (louder,))
    assert status.recordings == str(Path("recordings").resolve())
    assert [(point.start, point.score) for point in store.camera_store.scores("yard")] == [(100.0, 0.9), (105.0, 0.3)]
    store.close()


def test_a_database_that_is_away_costs_no_watch_and_the_curve_is_written_later(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("avadclip.apps.service.cameras.reporter.WRITE_SECONDS", 0.05)
    reporter = CameraReporter(f"sqlite:///{tmp_path}/later/store.sqlite", pictures=None, recordings=None)
    reporter.take(score(0.0, 0.5))
    reporter.take(score(50.0, 0.6))
    reporter.follow(MadeUpWatch())
    time.sleep(0.2)
    assert reporter.is_alive()
    (tmp_path / "later").mkdir()
    reporter.finish()
    store = Store(f"sqlite:///{tmp_path}/later/store.sqlite")
    assert [point.score for point in store.camera_store.scores("yard")] == [0.5, 0.6]
    store.close()


@pytest.fixture
def cameras(guarded: Any) -> Iterator[Any]:
    """The guarded service; afterwards it has no cameras."""
    yield guarded
    guarded.service.store.camera_store.forget(float("inf"))
    guarded.service.store.forget_live_events(1e12)
    shutil.rmtree(guarded.service.settings.cameras, ignore_errors=True)


def test_states_are_those_of_the_watch_and_stale_when_it_is_silent(cameras: Any) -> None:
    silent = time.time() - STALE_SECONDS - 1
    made = {
        "a": make_status("a"),
        "b": make_status("b", state="offline"),
        "c": make_status("c", state="connecting"),
        "d": make_status("d", state="finished", written_at=silent),
        "e": make_status("e", state="stopped"),
        "f": make_status("f", written_at=silent),
    }
    cameras.service.store.camera_store.keep(list(made.values()), {})
    event = make_live_event(id="g-1", source="g", start=time.time())
    cameras.service.store.keep_live_event(event)
    cameras.service.store.keep_live_event(event.model_copy(update={"id": "g-0", "start": event.start - 9}))
    shown = {camera["name"]: camera for camera in cameras.client.get("/api/camera-status").json()}
    states = {name: camera["state"] for name, camera in shown.items()}
    assert states == {
        "a": "running", "b": "reconnecting", "c": "reconnecting", "d": "ended", "e": "ended", "f": "stale",
        "g": "unknown",
    }  # fmt: skip
    assert shown["g"]["last_event"]["id"] == "g-1"
    assert "recordings" not in shown["a"]
    assert cameras.client.get("/api/cameras").json() == list("abcdefg")


def link_of(service: Any) -> str:
    href: str = service.client.post("/api/camera-link").json()["href"]
    return href


def test_a_picture_needs_a_key_and_no_token(cameras: Any) -> None:
    folder = cameras.service.settings.cameras
    folder.mkdir()
    (folder / "yard.jpg").write_bytes(b"\xff\xd8picture")
    link = link_of(cameras)
    bare = {"Authorization": ""}
    answer = cameras.client.get(f"{link}pictures/yard", headers=bare)
    assert (answer.status_code, answer.content) == (200, b"\xff\xd8picture")
    assert answer.headers["content-type"] == "image/jpeg"
    assert cameras.client.get(f"{link}pictures/gate", headers=bare).status_code == 404
    assert cameras.client.post("/api/camera-link", headers=bare).status_code == 401
    assert cameras.client.get("/api/camera-status", headers=bare).status_code == 401
    changed = link.replace("cameras.", "cameras.1")
    of_a_job = cameras.service.links.key("0" * 32)[0]
    for key in (changed.split("/")[2], of_a_job, "x"):
        assert cameras.client.get(f"/camera-media/{key}/pictures/yard", headers=bare).status_code == 403
    assert cameras.client.get(f"/results/{link.split('/')[2]}/detection.json").status_code == 404


@pytest.mark.parametrize("name", ["..%2Fstore-id", "%2e%2e/store-id", "..", "yard%00", "a" * 65, "yard.jpg"])
def test_a_picture_leads_nowhere_else(cameras: Any, name: str) -> None:
    assert cameras.client.get(f"{link_of(cameras)}pictures/{name}").status_code in (404, 422)


@pytest.fixture
def recorded(cameras: Any, make_video: Callable[..., Path], tmp_path: Path) -> Callable[[Path, str], Any]:
    """Stores an event whose recording is in a folder; gives the event as the API has it."""

    def record(folder: Path, event_id: str = "yard-1", **options: Any) -> Any:
        folder.mkdir(exist_ok=True)
        shutil.copy(make_video(2, suffix=".mkv", **options), folder / f"{event_id}.mkv")
        cameras.service.store.camera_store.keep([make_status(recordings=str(folder))], {})
        cameras.service.store.keep_live_event(make_live_event(id=event_id, is_open=False, end=2.0))
        return cameras.client.get("/api/live-events").json()["items"][0]

    return record


def test_a_recording_plays_as_mp4_by_ranges(cameras: Any, recorded: Callable[..., Any]) -> None:
    event = recorded(cameras.service.settings.data / "recordings")
    assert event["has_recording"]
    path = f"{link_of(cameras)}events/{event['id']}/recording"
    whole = cameras.client.get(path, headers={"Authorization": ""})
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    assert whole.content[4:8] == b"ftyp"
    part = cameras.client.get(path, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert [file.suffix for file in (cameras.service.settings.cameras / "copies").iterdir()] == [".mp4"]


def test_a_recording_that_browsers_cannot_play_is_only_for_saving(cameras: Any, recorded: Callable[..., Any]) -> None:
    folder = cameras.service.settings.data / "recordings"
    event = recorded(folder, "yard-2")
    (folder / "yard-2.mkv").write_bytes(b"no video")
    answer = cameras.client.get(f"{link_of(cameras)}events/{event['id']}/recording")
    assert (answer.content, answer.headers["content-type"]) == (b"no video", "application/octet-stream")
    assert "attachment" in answer.headers["content-disposition"]


def test_a_recording_outside_the_services_folders_is_not_given_out(
    cameras: Any, recorded: Callable[..., Any], tmp_path: Path
) -> None:
    event = recorded(tmp_path / "elsewhere", "yard-3")
    link = link_of(cameras)
    assert not event["has_recording"]
    assert cameras.client.get(f"{link}events/yard-3/recording").status_code == 404
    inside = cameras.service.settings.data / "recordings"
    inside.mkdir(exist_ok=True)
    (inside / "yard-3.mkv").unlink(missing_ok=True)
    (inside / "yard-3.mkv").symlink_to(tmp_path / "elsewhere" / "yard-3.mkv")
    cameras.service.store.camera_store.keep([make_status(recordings=str(inside))], {})
    assert not cameras.client.get("/api/live-events").json()["items"][0]["has_recording"]
    assert cameras.client.get(f"{link}events/yard-3/recording").status_code == 404


def test_a_recording_in_an_allowed_folder_is_given_out(
    cameras: Any, recorded: Callable[..., Any], videos_folder: Path
) -> None:
    assert recorded(videos_folder / "recordings", "yard-4")["has_recording"]


def test_the_picture_of_an_event_is_given_out_from_the_services_folders_alone(cameras: Any, tmp_path: Path) -> None:
    folder = cameras.service.settings.data / "recordings"
    folder.mkdir(exist_ok=True)
    for number, path in enumerate((folder / "yard-5.jpg", tmp_path / "yard-5.jpg", folder / "store-id.txt")):
        path.write_bytes(b"\xff\xd8moment")
        cameras.service.store.keep_live_event(make_live_event(id=f"yard-{number}", start=number, picture=str(path)))
    cameras.service.store.keep_live_event(make_live_event(id="yard-3", start=3.0, picture=None))
    shown = {event["id"]: event["has_picture"] for event in cameras.client.get("/api/live-events").json()["items"]}
    assert shown == {"yard-0": True, "yard-1": False, "yard-2": False, "yard-3": False}
    link = link_of(cameras)
    answers = [
        cameras.client.get(f"{link}events/yard-{number}/picture", headers={"Authorization": ""}) for number in range(4)
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 404, 404]
    assert answers[0].content == b"\xff\xd8moment"


@pytest.mark.parametrize("event_id", ["yard-9", "..%2F..%2Fstore-id", "yard%00"])
def test_an_unknown_event_has_no_recording(cameras: Any, recorded: Callable[..., Any], event_id: str) -> None:
    recorded(cameras.service.settings.data / "recordings")
    assert cameras.client.get(f"{link_of(cameras)}events/{event_id}/recording").status_code == 404


def test_the_curve_is_answered_in_order(cameras: Any) -> None:
    points = [CameraScore(start=WRITE_SECONDS * number, score=0.1 * number) for number in (2, 1)]
    cameras.service.store.camera_store.keep([make_status()], {"yard": points})
    answer = cameras.client.get("/api/camera-scores", params={"camera": "yard"}).json()
    assert answer == [{"start": 5.0, "score": 0.1}, {"start": 10.0, "score": 0.2}]
    assert cameras.client.get("/api/camera-scores", params={"camera": "a/b"}).status_code == 422
