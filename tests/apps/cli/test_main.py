import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.main import get_command

import avadclip.encoders.convert
from avadclip import __version__
from avadclip.apps.cli.main import app
from avadclip.encoders.convert import Converted

Command = Callable[..., tuple[int, str, str]]
HEAVY = ("torch", "numpy", "av", "matplotlib", "onnxruntime", "sklearn", "huggingface_hub", "safetensors")


def run_python(*arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, **options)


def all_commands() -> list[tuple[str, ...]]:
    group = get_command(app)
    names: list[tuple[str, ...]] = [()]
    for name, command in group.commands.items():
        names.append((name,))
        names.extend((name, inner) for inner in getattr(command, "commands", {}))
    return names


def test_help_answers_in_half_a_second() -> None:
    def seconds_taken() -> float:
        """Of a processor: other tests run beside this one."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run_python("-m", "avadclip", "--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    seconds_taken()  # the first run compiles
    assert min(seconds_taken() for _ in range(4)) < 0.5


@pytest.mark.parametrize("command", all_commands(), ids=" ".join)
def test_help_has_an_example(avadclip_command: Command, command: tuple[str, ...]) -> None:
    code, out, _ = avadclip_command(*command, "--help")
    assert code == 0
    assert f"Example: avadclip {' '.join(command)}".rstrip() in out


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, avadclip.apps.cli.main\n"
        "try: avadclip.apps.cli.main.app(['detect', '--help'])\n"
        f"except SystemExit: print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    assert run_python("-c", code).stderr == "[]\n"


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(avadclip_command: Command, option: str) -> None:
    assert avadclip_command(option) == (0, f"avadclip {__version__}\n", "")


def test_quiet_before_or_after_the_command_leaves_only_what_must_be_known(
    avadclip_command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def convert(source: Path, out: Path) -> Converted:
        return Converted(out / "model.safetensors", "tokenizer.json is still needed")

    monkeypatch.setattr(avadclip.encoders.convert, "convert_weights", convert)
    torch.save({"weight": torch.zeros(1)}, tmp_path / "ViT-B-16.pt")
    command = ("weights", "convert", str(tmp_path / "ViT-B-16.pt"))
    quiet = "tokenizer.json is still needed\n"
    assert avadclip_command("--quiet", *command) == avadclip_command(*command, "--quiet") == (0, "", quiet)
    assert avadclip_command(*command) == (0, f"{tmp_path / 'model.safetensors'}\n", quiet)
    assert avadclip_command("detect", "--quiet", "no.mp4") == (
        1,
        "",
        "avadclip: error: no.mp4 does not exist; check the path\n",
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_and_options(shell: str) -> None:
    def complete(line: str) -> str:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_TYPER_COMPLETE_ARGS": line}
        environment = {**os.environ, **words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
        return run_python("-m", "avadclip", env={**environment, "_AVADCLIP_COMPLETE": f"complete_{shell}"}).stdout

    assert "extract" in complete("avadclip extr")
    assert "--min-seconds" in complete("avadclip detect --min")


def test_no_arguments_show_the_help(avadclip_command: Command) -> None:
    code, out, err = avadclip_command()
    assert code == 2
    assert "detect" in out + err


def test_an_unknown_command_exits_with_2(avadclip_command: Command) -> None:
    code, out, err = avadclip_command("detekt")
    assert (code, out) == (2, "")
    assert "detekt" in err


@pytest.mark.skipif(os.name == "nt", reason="pipes differ")
def test_a_closed_pipe_is_not_an_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "avadclip", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()
