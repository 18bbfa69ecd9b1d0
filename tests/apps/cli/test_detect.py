import csv
import dataclasses
import inspect
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avadclip.apps.cli.detect import detect
from avadclip.apps.cli.report import report_folders
from avadclip.apps.cli.terminal.outputs import TableOutput
from avadclip.events import EventRules, NamedSound, SoundRule

Command = Callable[..., tuple[int, str, str]]


def test_one_video_gives_a_table_and_nothing_on_stderr(detector: Any, videos: Path, avadclip_command: Command) -> None:
    code, out, err = avadclip_command("detect", "yard/a.mp4")
    assert (code, err) == (0, "")
    first, second, header, *rows = out.splitlines()
    assert first == "yard/a.mp4  0:40.4, 1280x720, stereo sound"
    assert second == "  model starter, network: picture and sound (the file has sound)"
    assert header.split() == ["start", "end", "label", "score", "severity", "sound", "gain"]
    assert rows[0].split()[2] == "fighting"
    assert "  note: odd: 5 fps" in rows
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out


def test_a_table_marks_events_of_sounds_and_names_the_sounds(
    made_up: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    made = made_up(16, with_named_sounds=True)
    barking = NamedSound(name="\x1b[31mBark", probability=0.3, start=0.0, end=1.0)
    whistle = NamedSound(name="Whistle, whistling", probability=0.2, start=0.0, end=1.0)
    first, *others = made.events
    speech, _ = made.sounds
    first = first.model_copy(update={"sounds": (speech, whistle, barking)})
    TableOutput(include_scores=False).add(dataclasses.replace(made, events=(first, *others)), None)
    lines = capsys.readouterr().out.splitlines()
    assert "  sounds: speech; 0:05 glass" in lines
    header, one, *rest = lines[2:]
    assert header.split()[-1] == "sounds"
    assert one.split()[:2] == ["0:00.0", "0:03.3"]
    assert one.split()[-2:] == ["speech,", "whistle"]
    (alone,) = [line.split() for line in rest if " sound " in line]
    assert alone == ["0:05.3", "0:06.7", "glass", "0.710", "sound", "-", "glass"]
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in "".join(lines)


def test_a_table_with_both_gains_has_no_room_for_sounds(
    made_up: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    made = made_up(16, with_named_sounds=True)
    events = tuple(event.model_copy(update={"picture_gain": -0.01}) for event in made.events)
    TableOutput(include_scores=False).add(dataclasses.replace(made, events=events), None)
    header, *rows = capsys.readouterr().out.splitlines()[2:]
    columns = ["start", "end", "label", "score", "severity", "sound", "gain", "picture", "gain"]
    assert header.split() == columns
    assert [row.split()[2] for row in rows[:2]] == ["fighting", "glass"]


def test_without_events_the_highest_score_is_printed(detector: Any, videos: Path, avadclip_command: Command) -> None:
    _, out, _ = avadclip_command("detect", "yard/b.mp4")
    assert "no events: the highest score is 0.1" in out
    assert "the threshold 0.500" in out
    assert "severity" not in out


def test_several_videos_end_with_a_summary(detector: Any, videos: Path, avadclip_command: Command) -> None:
    code, out, _ = avadclip_command("detect", "yard")
    assert code == 0
    assert out.splitlines()[-1].startswith("3 videos, 2 with events, ")


def test_json_is_one_list_in_the_order_of_the_inputs(detector: Any, videos: Path, avadclip_command: Command) -> None:
    code, out, err = avadclip_command("detect", "yard/b.mp4", "yard", "--format", "json")
    assert (code, err) == (0, "")
    detections = json.loads(out)
    assert [each["source"] for each in detections] == ["yard/b.mp4", "yard/a.mp4", "yard/deep/a.mkv"]
    assert [each["network"] for each in detections] == ["visual student", "teacher", "visual student"]
    assert all("scores" not in each for each in detections)


def test_scores_are_printed_only_with_the_option(detector: Any, videos: Path, avadclip_command: Command) -> None:
    _, out, _ = avadclip_command("detect", "yard/a.mp4", "--format", "json", "--scores")
    assert len(json.loads(out)[0]["scores"]["anomaly"]) == 60
    _, out, _ = avadclip_command("detect", "yard/a.mp4", "--scores")
    assert sum("normal " in line or "fighting " in line for line in out.splitlines()) >= 60


def test_csv_is_one_table_for_all_videos(detector: Any, videos: Path, avadclip_command: Command) -> None:
    _, out, _ = avadclip_command("detect", "yard", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert {row["source"] for row in rows} == {"yard/a.mp4", "yard/deep/a.mkv"}
    assert {row["modality"] for row in rows} == {"audio-visual", "visual"}


def test_vtt_is_for_one_video(detector: Any, videos: Path, avadclip_command: Command) -> None:
    code, out, _ = avadclip_command("detect", "yard/a.mp4", "--format", "vtt")
    assert code == 0
    assert out.startswith("WEBVTT\n")
    code, out, err = avadclip_command("detect", "yard", "--format", "vtt")
    assert (code, out) == (2, "")
    assert "one video" in err


def test_bad_inputs_are_one_line_each_and_the_rest_goes_on(
    detector: Any, videos: Path, avadclip_command: Command
) -> None:
    (videos / "broken.mp4").write_text("broken")
    (videos / "refused.mp4").write_text("refused")
    (videos / "empty").mkdir()
    code, out, err = avadclip_command(
        "detect", "missing.mp4", "yard", "yard/empty", "*.nothing", "--format", "json", "--out", "reports"
    )
    assert code == 3
    assert [each["source"] for each in json.loads(out)] == ["yard/a.mp4", "yard/b.mp4", "yard/deep/a.mkv"]
    lines = err.splitlines()
    assert len(lines) == 5
    assert all(line.startswith("avadclip: error: ") for line in lines)
    for word in ("missing.mp4", "broken.mp4", "refused.mp4", "yard/empty", "*.nothing"):
        assert sum(word in line for line in lines) == 1
    assert sorted(path.name for path in Path("reports").iterdir()) == ["a", "a-2", "b"]


def test_exit_codes_of_failures(detector: Any, videos: Path, avadclip_command: Command) -> None:
    (videos / "broken.mp4").write_text("broken")
    assert avadclip_command("detect", "yard/broken.mp4")[0] == 1
    assert avadclip_command("detect", "yard/broken.mp4", "missing.mp4")[0] == 3
    assert avadclip_command("detect", "*.nothing")[0] == 1
    assert avadclip_command("detect", "*.nothing", "*.neither")[0] == 3
    assert detector.loaded  # only the first two needed a model


def test_a_bad_model_is_one_line_and_exit_1(detector: Any, videos: Path, avadclip_command: Command) -> None:
    code, out, err = avadclip_command("detect", "yard", "--model", "old.pt")
    assert (code, out) == (1, "")
    assert err == "avadclip: error: old.pt is not a checkpoint of avadclip; give a .safetensors file\n"


def test_an_output_that_cannot_be_written_is_one_line_and_exit_1(
    detector: Any, videos: Path, avadclip_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "reports/a")

    monkeypatch.setattr("avadclip.report.folder.write_report", fail)
    code, out, err = avadclip_command("detect", "yard", "--format", "json", "--out", "reports")
    assert code == 1
    assert json.loads(out) == []
    assert err == "avadclip: error: [Errno 28] No space left on device: 'reports/a'\n"


def test_an_interrupt_exits_with_130_and_what_is_printed_stays_valid(
    detector: Any, videos: Path, avadclip_command: Command
) -> None:
    (videos / "b.mp4").write_text("interrupted")
    code, out, err = avadclip_command("detect", "yard", "--format", "json")
    assert code == 130
    assert [each["source"] for each in json.loads(out)] == ["yard/a.mp4"]
    assert "Traceback" not in err


def test_options_reach_the_detector(detector: Any, videos: Path, avadclip_command: Command) -> None:
    avadclip_command(
        *("detect", "yard/a.mp4", "--model", "zero-shot", "--encoders", "clip:/models", "--device", "cuda:1"),
        *("--classes", " normal, car accident,", "--threshold", "0.25", "--min-seconds", "2", "--merge-gap", "0"),
        *("--sound", "Gunshot, gunfire=0.4", "--sound", "theremin", "--audio-track", "2"),
        *("--network", "both students", "--skip-still"),
    )
    assert detector.loaded == {
        "model": "zero-shot",
        "encoders": "clip:/models",
        "classes": ("normal", "car accident"),
        "device": "cuda:1",
        "precision": None,
        "sounds": True,
        "network": "both students",
        "skip_still": True,
    }
    (call,) = detector.calls
    call.pop("on_progress")
    sounds = (SoundRule("gunshot", ("Gunshot, gunfire",), 0.4), SoundRule("theremin", ("Theremin",), 0.3))
    assert call == {"path": "yard/a.mp4", "rules": EventRules(0.25, 2.0, 0.0, sounds=sounds), "audio_track": 2}


def test_without_sounds_none_is_named(detector: Any, videos: Path, avadclip_command: Command) -> None:
    avadclip_command("detect", "yard/a.mp4", "--no-sounds")
    assert detector.loaded["sounds"] is False
    assert detector.calls[0]["rules"].sounds == ()


def test_an_unknown_sound_is_one_line_with_the_nearest(detector: Any, videos: Path, avadclip_command: Command) -> None:
    code, out, err = avadclip_command("detect", "yard/a.mp4", "--sound", "gunshoot")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "there is no sound 'gunshoot'; the nearest names are" in err
    assert not detector.loaded


@pytest.mark.parametrize(
    "wrong",
    [
        ("--threshold", "1.5"),
        ("--min-seconds", "-1"),
        ("--classes", "fighting"),
        ("--classes", "a,a"),
        ("--format", "xml"),
        ("--format", "csv", "--scores"),
        ("--out", "yard/a.mp4"),
        ("--sound", "Dog", "--no-sounds"),
        ("--no-such-option",),
    ],
)
def test_bad_usage_exits_with_2_before_anything_is_read(
    detector: Any, videos: Path, avadclip_command: Command, wrong: tuple[str, ...]
) -> None:
    code, out, _ = avadclip_command("detect", "yard/a.mp4", *wrong)
    assert (code, out) == (2, "")
    assert not detector.loaded


def test_defaults_are_those_of_the_library() -> None:
    parameters = inspect.signature(detect).parameters
    rules = EventRules()
    assert parameters["threshold"].default == rules.threshold
    assert parameters["min_seconds"].default == rules.min_seconds
    assert parameters["merge_gap"].default == rules.merge_gap_seconds


def test_report_folders_never_share_a_name() -> None:
    videos = [Path(name) for name in ("x/a.mp4", "y/a.mkv", "a-2.mp4", "A.avi", "b.mp4")]
    folders = report_folders(videos, Path("out"))
    assert [folder.name for folder in folders] == ["a", "a-2", "a-2-2", "A-3", "b"]


def test_names_cannot_command_the_terminal(detector: Any, videos: Path, avadclip_command: Command) -> None:
    (videos / "\x1b[31m[bold]x\n.mp4").write_text("broken")
    (videos / "\x1b[32m[red]y.mp4").write_text("sound")
    code, out, err = avadclip_command("detect", "yard")
    assert code == 3
    assert "\x1b" not in out + err
    assert "\\x1b[32m[red]y.mp4" in out
    assert len(err.splitlines()) == 1


def test_a_precision_reaches_the_detector(detector, videos: Path, avadclip_command) -> None:
    assert avadclip_command("detect", "yard/a.mp4", "--precision", "int8")[0] == 0
    assert detector.loaded["precision"] == "int8"


def test_auto_precision_uses_the_models_encoders(detector, videos: Path, avadclip_command) -> None:
    code, _, err = avadclip_command("detect", "yard/a.mp4", "--precision", "auto")
    assert (code, detector.loaded["precision"]) == (0, "fp32")
    assert "note: --precision auto picked fp32: lite supports no other" in err  # the starter's encoders
