"""`avadclip reproduce`, in a process of its own where it is killed."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "avadclip", "reproduce", *map(str, arguments)]


def finished(out: Path) -> dict[Path, int]:
    """When the weights of each finished run were written."""
    folders = [path.parent for path in out.rglob("finished.json")]
    return {folder: (folder / "last.safetensors").stat().st_mtime_ns for folder in folders}


def test_killed_reproduction_resumes_without_repeating_runs(
    tmp_path: Path, recipes: Path, avadclip_command: Command
) -> None:
    options = ("5", "--data", "synthetic:tiny", "--recipes", recipes, "--seeds", "1")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for path in recipes.iterdir():  # long enough to be killed in the middle
        path.write_text(path.read_text().replace("epochs = 1\n", "epochs = 4\n"))
    killed = subprocess.Popen(
        command(*options, "--out", tmp_path / "killed"),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while len(finished(tmp_path / "killed")) < 1 and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    before = finished(tmp_path / "killed")
    assert 1 <= len(before) < 5
    code, _, err = avadclip_command("reproduce", *map(str, options), "--out", str(tmp_path / "killed"))
    assert code == 0, err
    after = finished(tmp_path / "killed")
    assert len(after) == 5
    assert {folder: after[folder] for folder in before} == before
    avadclip_command("reproduce", *map(str, options), "--out", str(tmp_path / "whole"))
    tables = [(tmp_path / name / "table-5.csv").read_text() for name in ("killed", "whole")]
    assert tables[0] == tables[1]


def test_every_output_marks_synthetic_numbers(tmp_path: Path, recipes: Path, avadclip_command: Command) -> None:
    code, out, err = avadclip_command(
        "reproduce",
        "5",
        "--data",
        "synthetic:tiny",
        "--recipes",
        str(recipes),
        "--seeds",
        "2",
        "--out",
        str(tmp_path / "out"),
    )
    assert code == 0, err
    assert "synthetic data" in out
    for suffix in ("md", "tex", "csv"):
        assert "synthetic data" in (tmp_path / "out" / f"table-5.{suffix}").read_text()
    every = csv.DictReader((tmp_path / "out" / "table-5.csv").open())
    # The linear probe names no classes; an AP that is not above chance has no margin.
    lines = [
        line
        for line in every
        if line["column"] != "margin kept" and (line["column"].startswith("AP") or line["row"] != "linear probe")
    ]
    assert {line["seeds"] for line in lines} == {"2"}
    assert all(0 <= float(line["mean"]) <= 100 for line in lines)
    of_runs = [json.loads(path.read_text()) for path in (tmp_path / "out").rglob("finished.json")]
    assert sorted((each["name"], each["recipe"]["seed"]) for each in of_runs) == [
        (name, seed)
        for name in ("fusion-add", "fusion-concat", "fusion-cross-attention", "linear-probe", "teacher")
        for seed in (0, 1)
    ]


def test_every_output_says_that_epochs_were_selected_on_test(
    tmp_path: Path, recipes: Path, avadclip_command: Command
) -> None:
    code, out, err = avadclip_command(
        *("reproduce", "5", "--data", "synthetic:tiny", "--recipes", str(recipes), "--seeds", "1"),
        *("--best-on-test", "--out", str(tmp_path / "out")),
    )
    assert code == 0, err
    assert "(synthetic data), selected on the test split" in out
    for suffix in ("md", "tex"):
        assert "(synthetic data), selected on the test split" in (tmp_path / "out" / f"table-5.{suffix}").read_text()
    lines = list(csv.DictReader((tmp_path / "out" / "table-5.csv").open()))
    assert {line["selection"] for line in lines} == {"test"}


def test_failed_rows_are_empty_with_exit_code_3(tmp_path: Path, recipes: Path, avadclip_command: Command) -> None:
    (recipes / "audio_student.toml").unlink()
    code, out, err = avadclip_command(
        "reproduce",
        "6",
        "--data",
        "synthetic:tiny",
        "--recipes",
        str(recipes),
        "--seeds",
        "1",
        "--out",
        str(tmp_path / "out"),
    )
    assert code == 3
    errors = [line for line in err.splitlines() if "error" in line]
    assert len(errors) == 3
    assert all("audio_student.toml" in line for line in errors)
    means = [
        line["mean"] for line in csv.DictReader((tmp_path / "out" / "table-6.csv").open()) if line["column"] == "AP"
    ]
    assert [bool(each) for each in means] == [False] * 3 + [True] * 5
    assert "sound: " in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("cross", "--data", "xd-violence:nowhere"), 1, "needs two datasets"),
        (("1", "--data", "nothing-of-that-name"), 1, "unknown dataset"),
        (("7", "--data", "synthetic"), 2, "'7'"),
    ],
)
def test_unusable_arguments_fail_before_anything_is_written(
    tmp_path: Path, avadclip_command: Command, arguments: tuple[str, ...], code: int, message: str
) -> None:
    found, _, err = avadclip_command("reproduce", *arguments, "--out", str(tmp_path / "out"))
    assert (found, message in err) == (code, True), err
    assert not (tmp_path / "out").exists()
