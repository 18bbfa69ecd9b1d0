"""`avadclip extract --ray` and `avadclip detect --ray`, in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch

from avadclip.apps.archive.detection import MADE_FROM
from avadclip.apps.archive.manifest import MANIFEST
from avadclip.events import EventRules
from avadclip.features.store import read_features
from avadclip.inference.detector import load_detector
from avadclip.report.folder import write_report

from .left_behind import rows


def avadclip(*arguments: str | Path, cwd: Path, temporary: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "avadclip", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def contents(folder: Path, *, without: str) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in (without, MANIFEST))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_detect_on_ray_writes_what_detect_writes_and_leaves_nothing_behind(
    tmp_path: Path, temporary_folder: Path, write_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "yard" / "a.mp4")
    write_video(tmp_path / "yard" / "b.mp4", sound=False, seed=1)
    (tmp_path / "yard" / "broken.mp4").write_bytes(b"no video")
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)  # as the worker below
    detector = load_detector("starter")
    for name in "ab":
        detection = detector.detect(f"yard/{name}.mp4", rules=EventRules(threshold=0.2, min_seconds=0.1))
        write_report(detection, Path("plain") / name)
    before = set(temporary_folder.iterdir())
    options = ("--threshold", "0.2", "--min-seconds", "0.1", "--ray", "local", "--workers", "1")
    spread = avadclip("detect", "yard", "--out", "spread", *options, cwd=tmp_path, temporary=temporary_folder)
    assert spread.returncode == 3, spread.stderr
    assert contents(tmp_path / "spread", without=MADE_FROM) == contents(tmp_path / "plain", without="")
    assert sorted(spread.stdout.splitlines()) == [f"done  {tmp_path / 'spread' / name}" for name in "ab"]
    assert spread.stderr.splitlines()[0].startswith("avadclip: error: yard/broken.mp4 is not a video")
    assert spread.stderr.splitlines()[1:] == ["2 videos done, 0 up to date, 1 failed"]
    assert set(temporary_folder.iterdir()) == before
    own = str(temporary_folder / "avadclip-ray-")
    assert [process for process in psutil.process_iter(["cmdline"]) if own in str(process.info["cmdline"])] == []


def test_extract_joins_a_cluster_by_its_address(
    tmp_path: Path, ray_address: str, temporary_folder: Path, write_video: Callable[..., Path]
) -> None:
    write_video(tmp_path / "yard" / "cam1" / "a.mp4")
    options = ("--encoders", "lite", "--no-sound", "--ray", ray_address, "--workers", "1")
    done = avadclip("extract", "yard", "--out", "features", *options, cwd=tmp_path, temporary=temporary_folder)
    assert (done.returncode, done.stderr) == (0, "1 video done, 0 up to date, 0 failed\n")
    features = read_features(tmp_path / "features" / "cam1" / "a.safetensors")
    assert (len(features), features.audio) == (3, None)
    row = rows(tmp_path / "features")["a"]
    assert (row["status"], row["source"]) == ("done", str(tmp_path / "yard" / "cam1" / "a.mp4"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("extract", "a.mp4", "--out", "s3://bucket/out"), "--ray"),
        (("extract", "a.mp4", "--out", "out", "--workers", "2"), "--ray"),
        (("detect", "a.mp4", "--ray", "local"), "--out"),
        (("detect", "a.mp4", "--ray", "local", "--out", "out", "--format", "json"), "--format"),
    ],
)
def test_options_that_do_not_go_together_are_bad_usage(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = avadclip(*arguments, cwd=tmp_path, temporary=tmp_path)
    assert (done.returncode, message in done.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []
