"""`avadclip calibrate --verdicts` and `avadclip train --verdicts`."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from avadclip.data.verdicts import VerdictRow, write_verdicts
from avadclip.inference.checkpoint import load_checkpoint

Command = Callable[..., tuple[int, str, str]]


def write_folder(folder: Path, videos: tuple[Path, Path], num_each: int) -> Path:
    """So many events, all of the first video, and false alarms, all of the second; each in a group of its own."""
    (folder / "clips").mkdir(parents=True)
    rows = []
    for kind, verdict in enumerate(("real", "false alarm")):
        for number in range(num_each):
            name = f"{kind}{number}"
            shutil.copy(videos[kind], folder / f"clips/{name}.mp4")
            values = {"id": name, "video": f"clips/{name}.mp4", "start": 1.0, "end": 4.0, "label": "fighting"}
            values |= {"verdict": verdict, "correct_label": None, "score": 0.5, "group": name, "source": name}
            values |= {"at": 1.0, "judged_by": "ann", "judged_at": 1.0, "note": ""}
            rows.append(VerdictRow.model_validate(values))
    write_verdicts(folder, rows)
    return folder


@pytest.mark.parametrize("command", [("calibrate", "starter"), ("train",)], ids=" ".join)
def test_too_few_verdicts_are_one_line_and_leave_nothing(
    command: tuple[str, ...], tmp_path: Path, avadclip_command: Command
) -> None:
    write_verdicts(tmp_path / "verdicts", [])
    new = tmp_path / "new.safetensors"
    code, out, error = avadclip_command(*command, "--verdicts", str(tmp_path / "verdicts"), "--out", str(new))
    assert (code, out, error.count("\n")) == (1, "", 1)
    assert "too few" in error
    assert not new.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("calibrate", "starter", "--normal", "nights", "--verdicts", "verdicts"),
        ("calibrate", "starter", "--labelled", "labels.csv", "--keep-recall", "0.8"),
        ("calibrate", "starter", "--verdicts", "verdicts", "--false-alarms-per-hour", "1"),
        ("train", "recipe.toml", "--verdicts", "verdicts"),
        ("train",),
    ],
    ids=" ".join,
)
def test_options_that_do_not_go_together_are_exit_2(
    arguments: tuple[str, ...], tmp_path: Path, avadclip_command: Command
) -> None:
    assert avadclip_command(*arguments, "--out", str(tmp_path / "new"))[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_thresholds_follow_verdicts_on_real_clips(
    tmp_path: Path, sample_videos: tuple[Path, Path], avadclip_command: Command
) -> None:
    folder, new = write_folder(tmp_path / "verdicts", sample_videos, 7), tmp_path / "new.safetensors"
    arguments = ("calibrate", "starter", "--verdicts", str(folder), "--keep-recall", "1", "--out", str(new))
    code, out, _ = avadclip_command(*arguments)
    assert code == 0
    assert "held back" in out
    chosen = load_checkpoint(new).header
    assert chosen.thresholds != load_checkpoint("starter").header.thresholds
    assert "Set from verdicts" in chosen.card
