import json
from pathlib import Path

import pytest


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
