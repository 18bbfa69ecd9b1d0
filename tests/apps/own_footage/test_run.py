"""`avadclip train` on real small silent videos: killed once, and begun again."""

import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import avadclip
from avadclip.apps.own_footage.collect import read_labelled
from avadclip.apps.own_footage.run import train_on_footage
from avadclip.errors import ConfigError, DataError
from avadclip.inference.checkpoint import load_checkpoint

PATIENCE_SECONDS = 600  # the machine may be busy


def write_video(path: Path, *, flickers: bool, seed: int) -> None:
    """Two seconds of noise, which stands still or changes with every frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    picture = draw.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height = 64, 48
        for number in range(48):
            if flickers:
                picture = draw.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def start(footage: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "avadclip", "train", str(footage), "--out", str(out)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels of five videos. Noise is alike, so the recordings are named."""
    folder = tmp_path_factory.mktemp("footage")
    lines = ["video,label,group", "normal/broken.mp4,normal,broken"]
    for number in range(2):
        write_video(folder / "normal" / f"yard{number}a.mp4", flickers=False, seed=number)
        write_video(folder / "fighting" / f"yard{number}b.mp4", flickers=True, seed=10 + number)
        lines += [f"normal/yard{number}a.mp4,normal,a{number}", f"fighting/yard{number}b.mp4,fighting,b{number}"]
    (folder / "normal" / "broken.mp4").write_text("no video")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder / "labels.csv"


class Finished:
    """A run that was killed after its first training, and begun again."""

    def __init__(self, footage: Path, out: Path) -> None:
        self.footage, self.out = footage, out
        first, done = start(footage, out), out / "trainings"
        ends = time.monotonic() + PATIENCE_SECONDS
        while not list(done.glob("*.json")) and first.poll() is None and time.monotonic() < ends:
            time.sleep(0.05)
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
        self.was_done = {path: path.stat().st_mtime_ns for path in done.glob("*.json")}
        second = start(footage, out)
        self.printed, self.errors = second.communicate(timeout=PATIENCE_SECONDS)
        self.code = second.returncode


@pytest.fixture(scope="module")
def finished(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    run = Finished(footage, tmp_path_factory.mktemp("run") / "mine")
    assert run.code == 0, run.errors
    return run


def test_a_killed_run_goes_on_with_what_was_done(finished: Finished) -> None:
    assert finished.was_done
    assert all(path.stat().st_mtime_ns == then for path, then in finished.was_done.items())
    assert {"fold-1.json", "fold-2.json", "final.json"} <= {
        path.name for path in (finished.out / "trainings").iterdir()
    }


def test_the_terminal_the_card_and_the_page_say_the_same(finished: Finished) -> None:
    verdict = next(line for line in finished.printed.splitlines() if line.startswith("Better than chance:"))
    assert "4 videos in 4 groups" in verdict
    assert "not shown" in verdict  # whatever the AUC: two recordings of a kind show nothing
    assert "Networks: picture only: 0 of 2 normal videos" in finished.printed
    assert "1 of 5 videos cannot be read" in finished.errors
    card, page = ((finished.out / name).read_text() for name in ("card.md", "report.html"))
    for text in (card, page):
        assert verdict in text
        assert "picture only" in text
        assert "1 of 5 videos cannot be read" in text
    assert load_checkpoint(finished.out / "model.safetensors").header.card == card


def test_the_page_needs_no_other_file(finished: Finished) -> None:
    page = (finished.out / "report.html").read_text()
    assert 'src="data:image/svg+xml;base64,' in page
    assert "<script" not in page
    assert all(address not in page for address in ('src="http', 'href="', "url("))


def test_the_model_detects(finished: Finished) -> None:
    checkpoint = load_checkpoint(finished.out / "model.safetensors")
    assert (checkpoint.header.default, checkpoint.header.selection) == ("visual student", {"visual student": "last"})
    assert checkpoint.header.classes == ("normal", "fighting")
    assert checkpoint.familiarity is not None
    detection = avadclip.load_detector(finished.out / "model.safetensors").detect(
        finished.footage.parent / "fighting" / "yard0b.mp4"
    )
    assert detection.network == "visual student"


def test_a_folder_of_other_footage_is_refused_in_one_line(finished: Finished) -> None:
    videos = read_labelled(finished.footage)
    moved = [video._replace(labels=("shooting",)) if "yard1b" in video.video else video for video in videos]
    with pytest.raises(
        ConfigError, match=r"run of other footage \(.*yard1b.mp4 was labelled fighting\); choose another"
    ):
        train_on_footage(moved, finished.out, name="mine")
    with pytest.raises(ConfigError, match=r"without --from-scratch"):
        train_on_footage(videos, finished.out, name="mine", from_scratch=True)
    with pytest.raises(ConfigError, match="holds no run"):
        train_on_footage(videos, finished.footage.parent, name="mine")


def test_sub_folders_are_labels(finished: Finished) -> None:
    videos = read_labelled(finished.footage.parent)
    assert [(Path(video.video).name, video.labels) for video in videos] == [
        ("yard0b.mp4", ("fighting",)),
        ("yard1b.mp4", ("fighting",)),
        ("broken.mp4", ("normal",)),
        ("yard0a.mp4", ("normal",)),
        ("yard1a.mp4", ("normal",)),
    ]
    assert all(Path(video.video).is_file() and video.group == video.video for video in videos)


def test_labels_are_refused_that_name_no_video_or_one_kind(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("video,label\na.mp4,normal\n")
    with pytest.raises(DataError, match=r"labels.csv:2: there is no video .*a.mp4"):
        read_labelled(labels)
    (tmp_path / "a.mp4").touch()
    with pytest.raises(DataError, match="all `normal`"):
        read_labelled(labels)
