import subprocess
import sys
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
        (None, "auto", False, (2, 1, 1.0)),
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


class BrokenRay:
    """Fails as Ray does without memory."""

    is_initialized = staticmethod(lambda: False)
    shutdown = staticmethod(lambda: None)

    @staticmethod
    def init(*_: object, **__: object) -> None:
        raise Exception("The current node timed out during startup.\nThis could happen.")


def test_a_failed_start_of_ray_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", BrokenRay)
    with (
        pytest.raises(ConfigError, match=r"Ray cannot start .* \(The current node timed out during startup.\)"),
        connect(LOCAL),
    ):
        pass


LISTENING = """
import psutil
from avadclip.apps.archive.cluster import LOCAL, connect

with connect(LOCAL) as cluster:
    actor = cluster.ray.remote(type("Actor", (), {"ready": lambda self: True})).remote()
    cluster.ray.get(actor.ready.remote())
    here = psutil.Process()
    for process in [here, *here.children(recursive=True)]:
        for socket in process.net_connections("inet"):
            if socket.status == psutil.CONN_LISTEN:
                print(process.name(), socket.laddr.ip)
"""


def test_ray_on_this_machine_listens_on_the_loopback_only(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LISTENING], capture_output=True, text=True, check=True, timeout=120)
    found = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    assert {"gcs_server", "raylet"} <= found.keys()
    assert set(found.values()) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_a_removal_that_a_kill_cut_short_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half_gone = tmp_path / f"{PREFIX}abc"
    half_gone.mkdir()
    (half_gone / "part.safetensors").write_bytes(b"...")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sweep()
    assert not half_gone.exists()
