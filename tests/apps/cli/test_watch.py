import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from avadclip.apps.cli.terminal.live_lines import live_line
from avadclip.apps.live.config import WatchConfig
from avadclip.apps.live.messages import EventMessage, LiveEvent, Message, SinkStats, StatsMessage, StatusMessage
from avadclip.events import NamedSound


@pytest.mark.parametrize("arguments", [[], ["yard.mp4", "--config", "watch.toml"]])
def test_a_source_or_a_file_of_cameras_is_needed(avadclip_command, arguments: list[str]) -> None:
    code, _, err = avadclip_command("watch", *arguments)
    assert code == 2
    assert "either a SOURCE or --config" in " ".join(err.split())


def test_sounds_are_named_or_switched_off(avadclip_command) -> None:
    code, _, err = avadclip_command("watch", "yard.mp4", "--sound", "glass", "--no-sounds")
    assert code == 2
    assert "--sound and --no-sounds exclude each other" in " ".join(err.split())
    code, _, err = avadclip_command("watch", "yard.mp4", "--sound", "glass=high")
    assert (code, err.count("\n")) == (1, 1)
    assert "the threshold 'high'; give a number, as in glass=0.4" in err


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "`cameras` is missing"), ("[cameras.yard]\nsource = 'ftp://user:secret@host/x'\n", "use rtsp, rtsps, http")],
)
def test_an_unusable_file_is_one_line(avadclip_command, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "watch.toml").write_text(content)
    code, out, err = avadclip_command("watch", "--config", str(tmp_path / "watch.toml"))
    assert (code, out) == (1, "")
    assert said in err
    assert "secret" not in err
    assert err.count("\n") == 1


def test_a_source_that_is_not_there_is_one_line_and_not_tried_again(avadclip_command, tmp_path: Path) -> None:
    code, out, err = avadclip_command("watch", str(tmp_path / "yard.mp4"))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "yard.mp4 does not exist; check the path" in err


def test_a_network_that_the_model_lacks_is_one_line(avadclip_command, sample_videos) -> None:
    code, out, err = avadclip_command("watch", str(sample_videos[0]), "--network", "hl-net", "--no-sounds")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "starter holds no network 'hl-net'; name one of teacher" in err


def test_a_file_is_watched_to_its_end(avadclip_command, monkeypatch, sample_videos) -> None:
    monkeypatch.setattr("avadclip.apps.cli.watch._stop_on_signals", lambda _: None)  # the signals are pytest's
    code, out, err = avadclip_command("watch", str(sample_videos[0]), "--speed", "20", "--scores", "--no-sounds")
    assert (code, err) == (0, "")
    messages = [json.loads(line) for line in out.splitlines()]
    states = [message["state"] for message in messages if message["type"] == "status"]
    assert (states[0], states[1], states[-1]) == ("connecting", "online", "finished")
    assert any(message["type"] == "score" for message in messages)


def message(kind: str, **event: Any) -> EventMessage:
    shout = NamedSound(name="Shout", probability=0.41, start=1.0, end=2.0)
    known = {
        "id": "yard-1", "source": "yard", "label": "fighting", "score": 0.953, "start": 1.0, "end": None,
        "severity": "alert", "modality": "visual", "model": "tiny", "threshold": 0.5, "sounds": (shout,),
    }  # fmt: skip
    return EventMessage(type=kind, id="yard-1.0", before=None, after=LiveEvent(**{**known, **event}))


def test_a_line_for_people_has_time_camera_class_severity_score_and_sounds() -> None:
    local = datetime.fromtimestamp(1).isoformat(sep=" ")
    assert live_line(message("new")).split("  ")[0] == local
    assert live_line(message("new")).split()[2:] == [
        "yard",
        "fighting",
        "alert",
        "0.95",
        "began",
        "sounds:",
        "Shout",
        "0.41",
    ]
    ended = live_line(message("end", end=8.5, sounds=()))
    assert " ".join(ended.split()[2:]) == "yard fighting alert 0.95 ended after 7.5 s"
    hostile = StatusMessage(camera="yard", time=1, state="offline", reason="\x1b[2J gone\n", undelivered=2)
    assert "\x1b" not in live_line(hostile)
    assert live_line(hostile).endswith("(2 messages undelivered)")


def test_undelivered_notices_are_a_line_and_other_statistics_none() -> None:
    stats = StatsMessage(time=1, memory_bytes=1, cameras={}, sinks={"mqtt": SinkStats(waiting=0, given_up=0)})
    assert live_line(stats) is None
    behind = {"notice phone": SinkStats(waiting=3, given_up=0, last_error="ntfy responded with status 403")}
    line = live_line(stats.model_copy(update={"sinks": behind}))
    assert line.endswith("undelivered   notice phone 3 (last error: ntfy responded with status 403)")


@pytest.mark.parametrize(
    ("options", "is_terminal", "is_json"),
    [([], False, True), ([], True, False), (["--format", "json"], True, True), (["--format", "text"], False, False)],
)
def test_a_terminal_gets_lines_and_a_pipe_json(avadclip_command, monkeypatch, options, is_terminal, is_json) -> None:
    def run(config: WatchConfig, show: Callable[[Message], None], *, show_scores: bool) -> None:
        show(message("new"))

    monkeypatch.setattr("avadclip.apps.cli.watch._run", run)
    monkeypatch.setattr("avadclip.apps.cli.watch._is_terminal", lambda: is_terminal)
    code, out, _ = avadclip_command("watch", "yard.mp4", *options)
    assert (code, out.count("\n"), out.startswith("{")) == (0, 1, is_json)
