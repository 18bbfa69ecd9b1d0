"""Whole runs on a Ray of two cores: what is done, what is tried again, and what a kill loses (nothing)."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from avadclip.apps.archive.manifest import MANIFEST
from avadclip.apps.archive.run import ArchiveOutcome, run_archive
from avadclip.apps.archive.sources import VideoSource, find_remote
from avadclip.features.batch import extract_to_folder

from .archive_jobs import TinyJob, tiny_encoders
from .left_behind import made, names, rows, statuses

Archive = Callable[..., list[VideoSource]]
RunTiny = Callable[..., list[ArchiveOutcome]]


def kill_at_second_video(log: Path, num_workers: int) -> int:
    """Kill workers, each as it has begun its second video, of which nothing is written yet; how many died."""
    killed: set[int] = set()
    deadline = time.monotonic() + 60
    while len(killed) < num_workers and time.monotonic() < deadline:
        begun = Counter(int(line.split()[0]) for line in log.read_text().splitlines()) if log.exists() else Counter()
        for pid in {pid for pid, num_videos in begun.items() if num_videos == 2} - killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        time.sleep(0.01)
    return len(killed)


def test_killing_workers_from_outside_loses_nothing(
    tmp_path: Path, archive_of: Archive, ray_address: str, plain_features: bytes
) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    sources = archive_of(*(f"slow-{number}" for number in range(6)))
    with ThreadPoolExecutor(1) as beside:
        killing = beside.submit(kill_at_second_video, log, 2)
        outcomes = list(run_archive(TinyJob(str(log)), sources, str(out), num_workers=2))
        killed = killing.result()
    assert killed >= 2
    assert len(outcomes) == 6
    assert set(statuses(outcomes).values()) == {"done"}
    assert max(row["attempts"] for row in rows(out).values()) > 1
    assert names(out) == [MANIFEST, *(f"slow-{number}.safetensors" for number in range(6))]
    for number in range(6):
        assert (out / f"slow-{number}.safetensors").read_bytes() == plain_features


def test_what_hangs_or_kills_its_worker_is_tried_again_and_fails_alone(
    tmp_path: Path, archive_of: Archive, run_tiny: RunTiny, plain_features: bytes
) -> None:
    out = tmp_path / "out"
    sources = archive_of("hang", "crash", "crashonce", "a", "broken")
    outcomes = run_tiny(sources, out, time_limit_seconds=3.0, max_attempts=2)
    expected = {"hang": "failed", "crash": "failed", "crashonce": "done", "a": "done", "broken": "failed"}
    assert statuses(outcomes) == expected
    messages = {Path(outcome.source.name).stem: outcome.message for outcome in outcomes}
    assert messages["hang"] == "timed out after 3 s; raise --time-limit"
    assert "died" in messages["crash"]
    attempts = {name: row["attempts"] for name, row in rows(out).items()}
    assert attempts == {"hang": 2, "crash": 2, "crashonce": 2, "a": 1, "broken": 1}
    assert rows(out)["hang"]["seconds"] >= 6
    assert names(out) == ["a.safetensors", "crashonce.safetensors", MANIFEST]
    assert (out / "crashonce.safetensors").read_bytes() == plain_features


def test_after_the_driver_is_killed_the_next_run_goes_on(
    tmp_path: Path, archive_of: Archive, run_tiny: RunTiny, ray_address: str, plain_features: bytes
) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    sources = archive_of(*(f"slow-{number}" for number in range(8)))
    arguments = [sys.executable, Path(__file__).with_name("archive_jobs.py"), log, tmp_path / "videos", out]
    driver = subprocess.Popen([*map(str, arguments), ray_address], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    told = [driver.stdout.readline().split()[0] for _ in range(3)]
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    driver.stdout.close()
    assert told == ["done"] * 3
    at_kill = rows(out)
    assert sum(row["status"] == "done" for row in at_kill.values()) >= 3
    assert sum(row["status"] == "pending" for row in at_kill.values()) >= 1
    _wait_for_the_end_of(log)
    before = made(log)
    outcomes = run_tiny(sources, out)
    assert Counter(outcome.status for outcome in outcomes)["kept"] >= 3
    assert all(row["status"] == "done" for row in rows(out).values())
    again = [name for name, number in (made(log) - before).items() if before[name]]
    assert len(again) <= 2  # at most what was at work when it came
    for number in range(8):
        assert (out / f"slow-{number}.safetensors").read_bytes() == plain_features


def _wait_for_the_end_of(log: Path) -> None:
    """Until the workers of a killed driver are gone."""
    pids = {int(line.split()[0]) for line in log.read_text().splitlines()}
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=30)
    assert not alive


def test_an_archive_in_s3_goes_in_and_out_without_local_traces(  # noqa: PLR0917
    tmp_path: Path, archive_of: Archive, run_tiny: RunTiny, s3_url: str, plain_features: bytes, long_video: Path
) -> None:
    import s3fs

    files = s3fs.S3FileSystem()
    for source in archive_of("cam1/a", "cam2/a", "broken"):
        files.put_file(source.address, f"{s3_url}/in/{source.place}.mp4")
    files.put_file(str(long_video), f"{s3_url}/in/long.mp4")
    out = f"{s3_url}/out"
    found = find_remote(f"{s3_url}/in")
    assert [source.place for source in found] == ["broken", "cam1/a", "cam2/a", "long"]
    outcomes = run_tiny(found, out, range_seconds=4.0)
    assert {outcome.source.place: outcome.status for outcome in outcomes} == {
        "broken": "failed",
        "cam1/a": "done",
        "cam2/a": "done",
        "long": "done",
    }
    broken = next(outcome for outcome in outcomes if outcome.status == "failed")
    assert broken.message.startswith(f"{s3_url}/in/broken.mp4 is not a video")
    files.invalidate_cache()
    stored = sorted(path.removeprefix("archive/out/") for path in files.find("archive/out"))
    assert stored == ["cam1/a.safetensors", "cam2/a.safetensors", "long.safetensors", MANIFEST]
    assert files.cat_file("archive/out/cam1/a.safetensors") == plain_features
    (plain,) = extract_to_folder([long_video], tmp_path / "plain", tiny_encoders())
    assert files.cat_file("archive/out/long.safetensors") == plain.feature_file.read_bytes()
    (tmp_path / "log").unlink()
    again = run_tiny(find_remote(f"{s3_url}/in/cam*/*.mp4"), out, range_seconds=4.0)
    # Places begin below what stands before the pattern, as for the folder.
    assert [(outcome.source.place, outcome.status) for outcome in again] == [("cam1/a", "kept"), ("cam2/a", "kept")]
    assert made(tmp_path / "log") == {}


def test_a_job_that_workers_cannot_do_is_one_error(tmp_path: Path, archive_of: Archive, ray_address: str) -> None:
    from avadclip.apps.archive.extraction import ExtractionJob
    from avadclip.encoders.load import EncoderOptions
    from avadclip.errors import AvadclipError
    from avadclip.timeline import SnippetGrid

    job = ExtractionJob("nonsense", EncoderOptions(), SnippetGrid())
    with pytest.raises(AvadclipError, match="unknown encoders 'nonsense'"):
        list(run_archive(job, archive_of("a"), str(tmp_path / "out"), num_workers=1))
