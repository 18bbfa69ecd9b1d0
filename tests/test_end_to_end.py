"""The command line as a user has it: processes of its own, the shipped model, real videos and broken ones."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from avadclip.features.store import read_features

COMMAND = (sys.executable, "-m", "avadclip")
REPORT = {"detection.json", "events.csv", "events.vtt", "scores.png"}
PATIENCE_SECONDS = 60


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)


def everything_below(folder: Path) -> set[str]:
    """Files, hidden ones too, and empty folders, as paths inside the folder."""
    found = (path for path in folder.rglob("*") if path.is_file() or not any(path.iterdir()))
    return {path.relative_to(folder).as_posix() for path in found}


def write_video(path: Path, num_frames: int, *, index_first: bool = False) -> Path:
    """A grey picture that grows brighter, 24 a second, no sound."""
    options = {"movflags": "faststart"} if index_first else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height = 64, 48
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number % 256, np.uint8))
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def cut_in_half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.fixture
def short_then_long(tmp_path: Path, sample_videos: tuple[Path, Path]) -> Path:
    """A folder with one video that is soon done, and one that takes seconds."""
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(sample_videos[1], folder / "a-short.mp4")
    write_video(folder / "b-long.mp4", 2000)
    return folder


@pytest.fixture
def stop_when() -> Callable[..., tuple[int, str, str]]:
    """Runs a command and sends it a signal once a file is there: (exit code, stdout, stderr)."""

    def stop(number: signal.Signals, awaited: Path, *arguments: str | Path) -> tuple[int, str, str]:
        process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        patience_ends = time.monotonic() + PATIENCE_SECONDS
        while not awaited.exists() and process.poll() is None and time.monotonic() < patience_ends:
            time.sleep(0.01)
        time.sleep(0.3)  # well into the next video
        assert process.poll() is None, "done before it could be stopped"
        process.send_signal(number)
        printed, errors = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, printed, errors

    return stop


def test_good_videos_are_done_and_each_broken_one_is_one_line(tmp_path: Path, sample_videos: tuple[Path, Path]):
    videos, out = tmp_path / "videos", tmp_path / "reports"
    videos.mkdir()
    shutil.copy(sample_videos[0], videos / "sound.mp4")
    shutil.copy(sample_videos[1], videos / "no sound.mp4")
    cut_in_half(write_video(videos / "cut, index first.mp4", 96, index_first=True))
    cut_in_half(write_video(videos / "cut, index last.mp4", 96))
    write_video(videos / "one frame.mp4", 1)
    write_video(videos / "shorter than a snippet.mp4", 8)
    (videos / "empty.mp4").touch()
    (videos / "text.mp4").write_text("this is no video\n" * 100)
    Image.new("RGB", (64, 48)).save(videos / "picture.mp4", format="PNG")
    bad = ["cut, index last", "one frame", "shorter than a snippet", "empty", "text", "picture"]
    if os.geteuid() != 0:  # root may read everything
        shutil.copy(videos / "no sound.mp4", videos / "locked.mp4")
        (videos / "locked.mp4").chmod(0)
        bad.append("locked")

    done = run("detect", videos, "--format", "json", "--out", out)

    assert done.returncode == 3, done.stderr
    lines = done.stderr.splitlines()
    assert all(line.startswith("avadclip: error: ") for line in lines), done.stderr
    assert len(lines) == len(bad), done.stderr
    for name in bad:
        assert sum(str(videos / f"{name}.mp4") in line for line in lines) == 1, name

    documents = {Path(document["source"]).stem: document for document in json.loads(done.stdout)}
    said = {name: (document["modality"], document["reason"]) for name, document in documents.items()}
    assert said == {
        "sound": ("audio-visual", "the checkpoint's default for picture and sound"),
        "no sound": ("visual", "the file has no sound track"),
        "cut, index first": ("visual", "the file has no sound track"),
    }
    assert any("cut off" in note for note in documents["cut, index first"]["notes"])
    assert everything_below(out) == {f"{name}/{file}" for name in said for file in REPORT}
    for name, document in documents.items():
        written = json.loads((out / name / "detection.json").read_text())
        assert written["scores"]
        assert written["events"] == document["events"]


def test_ctrl_c_leaves_only_whole_reports(tmp_path: Path, short_then_long: Path, stop_when):
    out = tmp_path / "reports"
    code, printed, errors = stop_when(
        signal.SIGINT, out / "a-short" / "scores.png", "detect", short_then_long, "--format", "json", "--out", out
    )
    assert (code, errors) == (130, "")
    assert [document["source"] for document in json.loads(printed)] == [str(short_then_long / "a-short.mp4")]
    assert everything_below(out) == {f"a-short/{file}" for file in REPORT}


def test_a_killed_extraction_leaves_only_whole_files_and_the_next_run_completes_it(
    tmp_path: Path, short_then_long: Path, stop_when
):
    out = tmp_path / "features"
    first, second = out / "a-short.safetensors", out / "b-long.safetensors"
    code, _, _ = stop_when(signal.SIGKILL, first, "extract", short_then_long, "--out", out)
    assert code == -signal.SIGKILL
    assert list(out.glob("[!.]*")) == [first]
    assert len(read_features(first)) == 15  # 10 s

    rerun = run("extract", short_then_long, "--out", out)
    assert (rerun.returncode, rerun.stdout.splitlines()) == (0, [f"kept  {first}", f"done  {second}"]), rerun.stderr
    assert len(read_features(second)) == 125  # 2000 frames


def test_the_model_card_can_be_read():
    shown = run("weights", "show", "starter")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("# Model card: `starter`")
