"""Verdicts pulled from a real service into a folder that needs none."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from made_up_events import make_live_event

from avadclip.apps.service.jobs.worker import load_by_name
from avadclip.apps.service.settings import ServiceSettings
from avadclip.apps.service.verdicts import pull as pulling
from avadclip.data.verdicts import labelled_videos, read_verdicts
from avadclip.media.probe import probe

TOKEN = "pulling-token-0123456789"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def judged(running: Any, sample_videos: tuple[Path, Path], wait_until: Any, tmp_path: Path) -> Iterator[Any]:
    """A service with a video of 10 s, its event judged and a stretch marked; and two judged events of a camera."""
    settings = ServiceSettings(data=tmp_path / "data", tokens={"ann": TOKEN})
    settings.data.mkdir()
    with running(settings, partial(load_by_name, "starter-1", None, "cpu")) as service:
        client = service.client
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        body = sample_videos[1].read_bytes()
        job = client.post("/api/uploads", params={"name": "bikes.mp4"}, content=body).json()["id"]
        wait_until(lambda: client.get(f"/api/jobs/{job}").json()["state"] == "done", what="the result")
        (event,) = client.get("/api/events").json()["items"]
        client.put(f"/api/events/{event['id']}/verdict", json={"verdict": "false alarm"})
        client.post("/api/verdicts", json={"job": job, "start": 6.0, "end": 7.0, "label": "riot"})
        for number in (1, 2):
            service.service.store.keep_live_event(make_live_event(id=f"yard-{number}", end=2.0))
            client.put(f"/api/live-events/yard-{number}/verdict", json={"verdict": "real"})
        (tmp_path / "recordings").mkdir()
        (tmp_path / "recordings/yard-1.mkv").write_bytes(body)
        (tmp_path / "tokens").write_text(f"ann: {TOKEN}\n")
        yield service


def test_verdicts_and_clips_are_pulled_once_and_kept(judged: Any, tmp_path: Path, avadclip_command: Command) -> None:
    out = tmp_path / "verdicts"
    arguments = ("verdicts", "pull", "--service", judged.url, "--token-file", str(tmp_path / "tokens"))
    arguments += ("--recordings", str(tmp_path / "recordings"), "--out", str(out))
    code, printed, notes = avadclip_command(*arguments)
    assert (code, printed) == (0, f"{out}: 4 new, 0 as before\n")
    assert "1 verdict without footage" in notes
    rows = {(row.verdict, row.source, row.note): row for row in read_verdicts(out)}
    missed = rows["missed", "bikes.mp4", ""]
    assert (missed.start, missed.end, missed.at, missed.true_label) == (5.0, 6.0, 6.0, "riot")
    assert probe(out / missed.video).duration_seconds == pytest.approx(9.0, abs=0.2), "from 1 s to the end"
    assert rows["real", "yard", pulling.NO_TIMES].start is None
    assert rows["real", "yard", "the event has no recording"].video == ""
    assert sorted(video.labels for video in labelled_videos(out)) == [("fighting",), ("normal",), ("riot",)]

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.m*")}
    judged.client.post("/api/verdicts", json={"camera": "yard", "start": 5.0, "end": 6.0, "label": "riot"})
    assert "1 new, 4 as before" in avadclip_command(*arguments)[1]
    for item in judged.client.get("/api/verdicts").json()["items"]:
        judged.client.delete(f"/api/verdicts/{item['id']}")
    assert "0 new, 5 as before" in avadclip_command(*arguments)[1]
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.m*")} == before

    second = tmp_path / "second"
    (event,) = judged.client.get("/api/events").json()["items"]
    judged.client.put(f"/api/events/{event['id']}/verdict", json={"verdict": "real"})
    code, printed, _ = avadclip_command("verdicts", "pull", "--data", str(tmp_path / "data"), "--out", str(second))
    assert (code, printed) == (0, f"{second}: 1 new, 0 as before\n")
    (row,) = read_verdicts(second)
    assert (row.verdict, row.judged_by) == ("real", "ann")
    (tmp_path / "wrong").write_text("ann: not-the-token-0123456789\n")
    wrong = ("verdicts", "pull", "--service", judged.url, "--token-file", str(tmp_path / "wrong"), "--out", str(out))
    code, printed, error = avadclip_command(*wrong)
    assert (code, printed, error.count("\n")) == (1, "", 1)
    assert "needs another token" in error


def test_a_pull_that_is_killed_leaves_whole_lines_and_the_next_goes_on(
    judged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, avadclip_command: Command
) -> None:
    out = tmp_path / "verdicts"
    real_copy, copied = pulling.write_copy, []

    def stop_at_the_second(*arguments: Any, **options: Any) -> None:
        copied.append(arguments)
        if len(copied) == 2:
            raise KeyboardInterrupt
        real_copy(*arguments, **options)

    arguments = ("verdicts", "pull", "--data", str(tmp_path / "data"), "--out", str(out))
    with monkeypatch.context() as patched:
        patched.setattr(pulling, "write_copy", stop_at_the_second)
        assert avadclip_command(*arguments)[0] == 130
    num_before = len(read_verdicts(out))
    assert num_before < 4
    assert avadclip_command(*arguments)[0] == 0
    assert len(read_verdicts(out)) == 4
    assert not list(out.rglob(".*"))


def test_one_source_is_needed(tmp_path: Path, avadclip_command: Command) -> None:
    out = str(tmp_path / "out")
    assert avadclip_command("verdicts", "pull", "--out", out)[0] == 2
    code, _, error = avadclip_command("verdicts", "pull", "--data", str(tmp_path), "--out", out)
    assert (code, error.count("\n")) == (1, 1)
    assert "holds no avadclip.sqlite" in error
