import tempfile
from dataclasses import astuple
from pathlib import Path

import pytest

from avadclip.apps.archive.cluster import LOCAL, Cluster, connect
from avadclip.apps.archive.scratch import PREFIX, sweep
from avadclip.errors import ConfigError


@pytest.mark.parametrize(
    ("num_workers", "device", "is_own", "expected"),
    [
        (None, "cpu", True, (8, 1, 0.0)),
        (2, "cpu", True, (2, 4, 0.0)),
        (16, "cpu", True, (16, 1, 0.0)),
        (2, "cpu", False, (2, 1, 0.0)),
        (None, "cuda", False, (2, 1, 1.0)),
        (8, "cuda:0", False, (8, 1, 0.25)),
    ],
)
def test_workers_share_the_cores_and_cards_there_are(
    num_workers: int | None, device: str, is_own: bool, expected: tuple
) -> None:
    assert astuple(Cluster(None, 8, 2, is_own).share(num_workers, device)) == expected


def test_a_gpu_that_is_not_there_is_one_error() -> None:
    with pytest.raises(ConfigError, match="Ray finds none"):
        Cluster(None, 8, 0, is_own=False).share(None, "cuda")


def test_temporary_files_deep_in_folders_are_one_error_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("a" * 60)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with pytest.raises(ConfigError, match="set TMPDIR"), connect(LOCAL):
        pass
    assert list(deep.iterdir()) == []


def test_a_removal_that_a_kill_cut_short_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half_gone = tmp_path / f"{PREFIX}abc"
    half_gone.mkdir()
    (half_gone / "part.safetensors").write_bytes(b"...")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sweep()
    assert not half_gone.exists()
