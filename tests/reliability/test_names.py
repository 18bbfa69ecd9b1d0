"""Names and places that shells, terminals and file systems have trouble with, through the command line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from ..media.made_videos import write_video
from .record import Record

NAMES = {
    "spaces": "a  b .mp4",
    "quotes": "'a' \"b\".mp4",
    "a line break": "a\nb1.mp4",
    "a tab and a carriage return": "a\tb\r2.mp4",
    "an escape sequence": "\x1b[31mred\x1b[0m.mp4",
    "a leading dash": "-rf.mp4",
    "an option": "--out=x.mp4",
    "a pattern": "[a-z]*?.mp4",
    "a command": "$(touch ran);`touch ran`&touch ran|.mp4",
    "a variable": "${HOME}%s%d~.mp4",
    "a protocol": "http:a.mp4",
    "an FFmpeg pattern": "a%03d.mp4",
    "backslashes": "a\\..\\b.mp4",
    "markup": "[bold]a[red].mp4",
    "umlauts, composed": "ärger.mp4",
    "umlauts, decomposed": "a\u0308rger2.mp4",
    "another script": "видео-視頻-فيديو.mp4",
    "an emoji": "\U0001f3a5\U0001f468\u200d\U0001f469\u200d\U0001f467.mp4",
    "text from right to left": "\u202etxt.4pm\u202c.mp4",
    "bytes that are no text": os.fsdecode(b"\xff\xfe\x80.mp4"),
    "240 letters": "x" * 240 + ".mp4",
    "dots": "a...b..mp4",
    "a name of Windows devices": "CON.mp4",
    "upper case": "B.MP4",
}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8)).reformat(format="yuv420p")
    path = tmp_path_factory.mktemp("names") / "a.mp4"
    return write_video(path, pictures=[picture] * 17, times=[i / 24 for i in range(17)])


def run(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "avadclip", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=120,
        errors="surrogateescape",
    )


def test_a_folder_of_unusual_names_is_done_whole(tmp_path: Path, video: Path, record: Record) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in NAMES.values():
        shutil.copy(video, videos / name)
    extracted = run("extract", videos, "--out", tmp_path / "out", folder=tmp_path)
    assert extracted.returncode == 0, extracted.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{Path(name).stem}.safetensors" for name in NAMES.values()
    }
    lines = extracted.stdout.split("\n")
    assert len(lines) == len(NAMES) + 1  # one for each, and the last line's end
    assert all(line.startswith("done  ") and line.isprintable() for line in lines[:-1])

    detected = run("detect", videos, "--format", "json", "--out", tmp_path / "reports", folder=tmp_path)
    assert detected.returncode == 0, detected.stderr
    assert len(json.loads(detected.stdout)) == len(NAMES)
    assert len(list((tmp_path / "reports").iterdir())) == len(NAMES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "reports", "videos"]
    for title in NAMES:
        record.add("names", title, "result", "", folder=videos)


def test_names_like_options_and_patterns_can_be_named(tmp_path: Path, video: Path) -> None:
    names = [NAMES["a leading dash"], NAMES["an option"], NAMES["a pattern"], NAMES["a protocol"]]
    for name in names:
        shutil.copy(video, tmp_path / name)
    done = run("extract", "--out", "features", "--", *names, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "features").iterdir())) == len(names)


def test_deep_folders_and_loops_of_links_end(tmp_path: Path, video: Path, record: Record) -> None:
    videos = tmp_path / "videos"
    deepest = videos.joinpath(*["d"] * 500)
    deepest.mkdir(parents=True)
    shutil.copy(video, deepest / "deep.mp4")
    (videos / "loop").symlink_to(videos)
    (deepest / "up").symlink_to(videos)
    (videos / "itself.mp4").symlink_to("itself.mp4")
    (videos / "other.mp4").symlink_to(deepest / "deep.mp4")
    done = run("extract", videos, "--out", tmp_path / "out", folder=tmp_path)
    assert done.returncode == 3, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["other.safetensors"]  # the same video, taken once
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    assert len(errors) == 1
    assert "itself.mp4" in errors[0]
    assert "symbolic links" in errors[0]
    for title in ("500 folders deep", "links that lead up again"):
        record.add("names", title, "result", "", folder=videos)
    record.add("names", "a link to itself in a folder", "error", errors[0], folder=videos)
