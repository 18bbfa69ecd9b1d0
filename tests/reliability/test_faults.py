"""Kills, full and read-only disks, two processes on one folder: afterwards a rerun gives what an undisturbed run gives.

Runs on the command line, in processes of their own. test_end_to_end.py and cli/test_train.py kill a run once each.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ..media.made_videos import Sound, write_video

NUM_KILLS = 6  # of the long tests
COMMAND = (sys.executable, "-m", "avadclip")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
RECIPE = """
encoders = "synthetic"
data.source = "synthetic:tiny"
network.embed_dim = 32
optimizer = {learning_rate = 1e-3, batch_size = 8, epochs = 12}
"""
Remount = Callable[[str], None]


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )


def run(*arguments: str | Path) -> tuple[int, str]:
    """Exit code and what went to stderr."""
    process = start(*arguments)
    _, errors = process.communicate(timeout=200)
    return process.returncode, errors


def contents(folder: Path) -> dict[str, bytes]:
    """What is in a folder, by name, but for files that a killed process left under a hidden name."""
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*") if path.is_file()}


def weights(folder: Path) -> dict[str, bytes]:
    """The files of a run that hold nothing about when and how fast it went."""
    return {name: content for name, content in contents(folder).items() if name.endswith(".safetensors")}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four videos of one snippet, whose features are 13 kB each."""
    folder = tmp_path_factory.mktemp("videos")
    tone = 0.4 * np.sin(np.arange(36_000) / 20).astype(np.float32)
    for number in range(4):
        write_video(folder / f"{number}.mkv", num_frames=17 + number, sound=Sound(tone))
    return folder


@pytest.fixture(scope="module")
def undisturbed(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed")
    assert run("extract", videos, "--out", out) == (0, "4 videos extracted, 0 up to date, 0 failed\n")
    return contents(out)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Remount]]:
    """A file system of 36 kB of its own, and what mounts it anew with other options."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True, capture_output=True)

    mount("size=36k")
    yield folder, lambda options: mount(f"remount,{options}")
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.system
def test_a_full_disk_keeps_what_is_done_and_a_rerun_completes_it(
    videos: Path, undisturbed: dict[str, bytes], small_disk: tuple[Path, Remount]
) -> None:
    folder, remount = small_disk
    code, errors = run("extract", videos, "--out", folder / "features")
    assert code == 3
    problems = [line for line in errors.splitlines() if line.startswith("avadclip: error: ")]
    assert problems
    assert all("No space left on device" in line for line in problems)
    done = contents(folder / "features")
    assert len(done) + len(problems) == 4
    assert all(undisturbed[name] == content for name, content in done.items())
    assert len(list((folder / "features").iterdir())) == len(done)  # no hidden ones either

    remount("size=1m")
    assert run("extract", videos, "--out", folder / "features")[0] == 0
    assert contents(folder / "features") == undisturbed


@pytest.mark.system
def test_a_read_only_disk_is_one_line(videos: Path, small_disk: tuple[Path, Remount]) -> None:
    folder, remount = small_disk
    remount("ro")
    code, errors = run("extract", videos / "0.mkv", "--out", folder / "features")
    assert code == 1
    assert errors.splitlines()[0].startswith("avadclip: error: ")
    assert "Read-only file system" in errors.splitlines()[0]
    assert "Traceback" not in errors


def test_two_extractions_into_one_folder_give_what_one_gives(
    tmp_path: Path, videos: Path, undisturbed: dict[str, bytes]
) -> None:
    both = [start("extract", videos, "--out", tmp_path / "features") for _ in range(2)]
    assert [(process.communicate(timeout=200), process.returncode)[1] for process in both] == [0, 0]
    assert contents(tmp_path / "features") == undisturbed
    assert len(list((tmp_path / "features").iterdir())) == len(undisturbed)


def kill_again_and_again(arguments: tuple[str | Path, ...], *, seed: int) -> list[float]:
    """Run a command and kill it at moments drawn over the time that it takes; returns the moments, in seconds."""
    began = time.monotonic()
    assert run(*arguments[:-1], f"{arguments[-1]}-timed")[0] == 0
    longest = time.monotonic() - began
    moments = [random.Random(seed + number).uniform(0, longest) for number in range(NUM_KILLS)]
    for moment in moments:
        process = start(*arguments)
        time.sleep(moment)
        process.kill()
        process.communicate()
    return moments


@pytest.mark.long
def test_an_extraction_killed_at_any_moment_goes_on(
    tmp_path: Path, videos: Path, undisturbed: dict[str, bytes]
) -> None:
    arguments = ("extract", videos, "--out", tmp_path / "features")
    moments = kill_again_and_again(arguments, seed=0)
    assert all(undisturbed[name] == content for name, content in contents(tmp_path / "features").items())
    assert run(*arguments)[0] == 0
    assert contents(tmp_path / "features") == undisturbed, moments


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    """A recipe, and the weights of an undisturbed run of it."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    assert run("train", recipe, "--out", tmp_path / "undisturbed")[0] == 0
    return recipe, weights(tmp_path / "undisturbed")


@pytest.mark.long
def test_a_training_killed_at_any_moment_goes_on(tmp_path: Path, trained: tuple[Path, dict[str, bytes]]) -> None:
    recipe, expected = trained
    arguments = ("train", recipe, "--out", tmp_path / "run")
    moments = kill_again_and_again(arguments, seed=100)
    assert run(*arguments)[0] == 0
    assert weights(tmp_path / "run") == expected, moments


@pytest.mark.long
@pytest.mark.system
def test_a_training_on_a_full_disk_goes_on_once_there_is_room(
    tmp_path: Path, trained: tuple[Path, dict[str, bytes]], small_disk: tuple[Path, Remount]
) -> None:
    recipe, expected = trained
    folder, remount = small_disk
    code, errors = run("train", recipe, "--out", folder / "run")
    assert code == 1
    assert "No space left on device" in errors
    assert "Traceback" not in errors
    remount("size=50m")
    assert run("train", recipe, "--out", folder / "run")[0] == 0
    assert weights(folder / "run") == expected


@pytest.mark.long
def test_two_trainings_into_one_folder_give_what_one_gives(
    tmp_path: Path, trained: tuple[Path, dict[str, bytes]]
) -> None:
    recipe, expected = trained
    both = [start("train", recipe, "--out", tmp_path / "run") for _ in range(2)]
    errors = [process.communicate(timeout=200)[1] for process in both]
    assert not any("Traceback" in each for each in errors), errors
    assert run("train", recipe, "--out", tmp_path / "run")[0] == 0
    assert weights(tmp_path / "run") == expected
