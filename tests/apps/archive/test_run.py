"""What a run does and notes; in this process. test_ray.py has the same on Ray, and what happens to processes."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from avadclip.apps.archive.job import made_by
from avadclip.apps.archive.manifest import MANIFEST, ManifestRow, open_manifest
from avadclip.apps.archive.run import ArchiveOutcome, run_archive
from avadclip.apps.archive.sources import VideoSource, local_source
from avadclip.apps.archive.storage import Storage
from avadclip.errors import DataError
from avadclip.features.batch import extract_to_folder
from avadclip.files import write_atomically

from .archive_jobs import TinyJob, sha256_of, tiny_encoders
from .left_behind import made, names, rows, statuses

Archive = Callable[..., list[VideoSource]]
RunTiny = Callable[..., list[ArchiveOutcome]]


def test_an_archive_becomes_the_same_files_as_one_video_after_the_other(
    tmp_path: Path, archive_of: Archive, run_here: RunTiny, plain_features: bytes
) -> None:
    out = tmp_path / "out"
    outcomes = run_here(archive_of("a", "yard/a", "yard/b", "broken"), out)
    assert {outcome.source.place: outcome.status for outcome in outcomes} == {
        "a": "done",
        "yard/a": "done",
        "yard/b": "done",
        "broken": "failed",
    }
    assert names(out) == ["a.safetensors", MANIFEST, "yard/a.safetensors", "yard/b.safetensors"]
    for name in ("a", "yard/a", "yard/b"):
        assert (out / f"{name}.safetensors").read_bytes() == plain_features


def test_the_manifest_records_the_outcome_of_every_video(
    tmp_path: Path, archive_of: Archive, run_here: RunTiny, one_video: Path
) -> None:
    out = tmp_path / "out"
    sources = archive_of("a", "broken")
    failed = next(outcome for outcome in run_here(sources, out) if outcome.status == "failed")
    done, broken = rows(out)["a"], rows(out)["broken"]
    assert (done["status"], done["error"], done["attempts"]) == ("done", None, 1)
    assert done["source"] == sources[0].address
    assert done["source_sha256"] == sha256_of(one_video)
    assert done["source_bytes"] == one_video.stat().st_size
    assert done["output"] == str(out / "a.safetensors")
    assert done["output_bytes"] == (out / "a.safetensors").stat().st_size
    assert done["made_by"] == made_by(TinyJob(str(tmp_path / "log")).load().identity())
    assert done["seconds"] > 0
    assert datetime.fromisoformat(done["finished_at"]).utcoffset() == timedelta(0)
    assert (broken["status"], broken["error"], broken["attempts"]) == ("failed", failed.message, 1)
    assert "is not a video" in failed.message
    assert broken["source_sha256"] is None


def test_the_next_run_reads_nothing_that_is_as_it_was(
    tmp_path: Path, archive_of: Archive, run_here: RunTiny, write_video: Callable[..., Path]
) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    names_of_all = ("same", "changed", "lost", "touched", "broken")
    run_here(archive_of(*names_of_all), out)
    log.unlink()
    before = rows(out)
    write_video(tmp_path / "videos" / "changed.mp4", seed=1)
    os.utime(tmp_path / "videos" / "touched.mp4", (1, 1))
    (out / "lost.safetensors").unlink()
    folder = tmp_path / "videos"
    again = [local_source(folder / f"{name}.mp4", folder) for name in names_of_all]
    assert statuses(run_here(again, out)) == {
        "same": "kept",
        "changed": "done",
        "lost": "done",
        "touched": "kept",  # by its content
        "broken": "failed",
    }
    assert made(log) == {"changed": 1, "lost": 1}
    assert rows(out)["same"] == before["same"]


def test_results_are_known_by_their_content_where_the_manifest_is_lost(
    tmp_path: Path, archive_of: Archive, run_here: RunTiny
) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    sources = archive_of("a", "b")
    run_here(sources, out)
    (out / MANIFEST).unlink()
    log.unlink()
    assert statuses(run_here(sources, out)) == {"a": "kept", "b": "kept"}
    assert made(log) == {}
    assert {row["status"] for row in rows(out).values()} == {"done"}


def test_a_long_video_is_divided_and_joined_to_the_same_file(
    tmp_path: Path, long_video: Path, run_here: RunTiny
) -> None:
    out = tmp_path / "out"
    (plain,) = extract_to_folder([long_video], tmp_path / "plain", tiny_encoders())
    (outcome,) = run_here([local_source(long_video, None)], out, range_seconds=4.0)
    assert outcome.status == "done"
    assert (out / "long.safetensors").read_bytes() == plain.feature_file.read_bytes()
    assert names(out) == ["long.safetensors", MANIFEST]
    assert not (out / ".parts").exists()


def test_videos_that_would_share_a_result_are_reported_and_the_first_is_done(
    tmp_path: Path, archive_of: Archive, run_here: RunTiny
) -> None:
    (first,) = archive_of("a")
    second = replace(first, name="a.mkv", address="/elsewhere/a.mkv")
    outcomes = run_here([first, second], tmp_path / "out")
    assert [outcome.status for outcome in outcomes] == ["failed", "done"]
    assert "would share" in outcomes[0].message


def test_a_damaged_manifest_is_one_error(tmp_path: Path, archive_of: Archive) -> None:
    write_atomically(tmp_path / "out" / MANIFEST, "no database" * 100)
    with pytest.raises(DataError, match="remove it"):
        list(run_archive(TinyJob(str(tmp_path / "log")), archive_of("a"), str(tmp_path / "out")))


def test_a_folder_without_rows_gets_no_manifest(tmp_path: Path) -> None:
    with open_manifest(Storage(str(tmp_path / "out")), pytest.fail) as manifest:
        assert manifest.get("/videos/a.mp4") is None
    assert names(tmp_path) == []


def test_a_killed_run_leaves_its_saved_rows(tmp_path: Path) -> None:
    """Rows after the last save are gone; the file is whole."""
    script = f"""
import os
from avadclip.apps.archive.manifest import ManifestRow, open_manifest
from avadclip.apps.archive.storage import Storage
with open_manifest(Storage({str(tmp_path)!r}), print) as manifest:
    manifest.put(ManifestRow("/saved.mp4", "done"))
    manifest.save()
    manifest._next_write = float("inf")
    manifest.put(ManifestRow("/saved.mp4", "failed"))
    manifest.put(ManifestRow("/lost.mp4", "done"))
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    with open_manifest(Storage(str(tmp_path)), pytest.fail) as manifest:
        assert (manifest.get("/saved.mp4").status, manifest.get("/lost.mp4")) == ("done", None)
        manifest.put(ManifestRow("/lost.mp4", "done"))
    assert {row["status"] for row in rows(tmp_path).values()} == {"done"}


def test_a_manifest_at_a_url_is_found_again(s3_url: str) -> None:
    storage = Storage(f"{s3_url}/manifests")
    with open_manifest(storage, pytest.fail) as manifest:
        manifest.put(ManifestRow("/a.mp4", "done", source_bytes=5))
    assert set(storage.sizes()) == {MANIFEST}
    with open_manifest(storage, pytest.fail) as manifest:
        assert manifest.get("/a.mp4") == ManifestRow("/a.mp4", "done", source_bytes=5)
