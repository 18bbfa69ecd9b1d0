import subprocess
from pathlib import Path

import pytest

from avadclip.encoders.downloads import index
from avadclip.encoders.downloads.sources import WheelSource

TAGGED = WheelSource(
    kind="wheel", project="sounds", version="1.0", sha256="0" * 64, bytes=1, tags=("cp311", "cp311", "linux_x86_64")
)


def test_pip_is_asked_for_a_wheel_of_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.extend(command)
        (tmp_path / "sounds-1.0-cp311-cp311-linux_x86_64.whl").touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(index.subprocess, "run", run)
    assert index.fetch_wheel(TAGGED, tmp_path).name == "sounds-1.0-cp311-cp311-linux_x86_64.whl"
    wanted = (
        "--implementation cp",
        "--python-version 311",
        "--abi cp311",
        "--platform linux_x86_64",
        "--require-hashes",
    )
    assert all(option in " ".join(asked) for option in wanted)


def test_without_pip_the_wheel_of_these_tags_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    names = [f"sounds-1.0-{tags}.whl" for tags in ("cp310-cp310-linux_x86_64", "cp311-cp311-win_amd64")]
    names.append("sounds-1.0-cp311-cp311-linux_x86_64.whl")
    page = "".join(f'<a href="{name}">{name}</a>' for name in names)
    fetched: list[str] = []
    monkeypatch.setattr(index, "find_spec", lambda _: None)
    monkeypatch.setattr(index, "read_page", lambda *_, **__: ("https://example.test/simple/sounds/", page))
    monkeypatch.setattr(index, "fetch", lambda url, *_, **__: fetched.append(url))
    assert index.fetch_wheel(TAGGED, tmp_path).name == names[-1]
    assert fetched == [f"https://example.test/simple/sounds/{names[-1]}"]
