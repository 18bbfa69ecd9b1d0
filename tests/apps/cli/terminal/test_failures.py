"""Errors of the machine: one line each, exit code 1."""

import errno
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import avadclip.apps.cli.main

LIMITED = "avadclip: error: a process may use {} GB of memory here, {} needs {} GB; raise the limit with `ulimit -v`\n"
Command = Callable[..., tuple[int, str, str]]


def run_within(num_bytes: int, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "avadclip", *command],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (num_bytes, num_bytes)),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "command", [("detect", "lobby.mp4"), ("detect", "lobby.mp4", "--ray", "local"), ("weights", "list")]
)
def test_a_limit_below_what_libraries_need_is_one_line(command: tuple[str, ...]) -> None:
    done = run_within(800 * 1024 * 1000, *command)  # `ulimit -v 800000`
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == LIMITED.format("0.8", "avadclip", "1.2")
    assert run_within(800 * 1024 * 1000, "--help").returncode == 0


def raised_from(cause: Exception) -> Exception:
    try:
        raise ImportError("numpy could not be imported\n\nadvice") from cause
    except ImportError as error:
        return error


SHORTAGES = [
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    RuntimeError("can't start new thread"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee documentation"),
    raised_from(ImportError("Exception caught: std::bad_alloc")),
]


def test_a_limit_below_what_ray_needs_is_one_line(tmp_path: Path) -> None:
    done = run_within(1_500_000_000, "extract", "no.mp4", "--out", str(tmp_path / "features"), "--ray", "local")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == LIMITED.format("1.5", "Ray", "2.5")


def fail_with(problem: Exception) -> Callable[..., None]:
    def command(**_: object) -> None:
        raise problem

    return command


@pytest.mark.parametrize("problem", SHORTAGES, ids=repr)
def test_missing_memory_is_one_line(
    avadclip_command: Command, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    monkeypatch.setattr(avadclip.apps.cli.main, "app", fail_with(problem))
    code, out, err = avadclip_command("detect", "lobby.mp4")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("avadclip: error: ")
    assert "memory" in err


@pytest.mark.parametrize("problem", [RuntimeError("shapes differ"), ImportError("no module")], ids=repr)
def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    monkeypatch.setattr(avadclip.apps.cli.main, "app", fail_with(problem))
    with pytest.raises(type(problem)):
        avadclip.apps.cli.main.run()
