"""`avadclip train` and `avadclip distill` on the tiny synthetic benchmark; killed and several ones in processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from avadclip.apps.cli.main import app
from avadclip.features.snippets import SnippetFeatures
from avadclip.features.store import write_features
from avadclip.inference.checkpoint import load_checkpoint

Command = Callable[..., tuple[int, str, str]]
RECIPE = """
network_kind = "{kind}"
encoders = "synthetic"

[data]
source = "{source}"

[network]
embed_dim = 32

[distillation]
kind = "{distillation}"

[optimizer]
learning_rate = 1e-3
batch_size = {batch_size}
epochs = {epochs}
"""


def write_recipe(
    path: Path,
    *,
    kind: str = "teacher",
    source: str = "synthetic:tiny",
    distillation: str = "none",
    batch_size: int = 8,
    epochs: int = 2,
) -> Path:
    path.write_text(
        RECIPE.format(kind=kind, source=source, distillation=distillation, batch_size=batch_size, epochs=epochs)
    )
    return path


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "avadclip", *map(str, arguments)]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,  # a group of its own, as of a command in a terminal
    )


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    done = run("train", write_recipe(folder / "recipe.toml"), "--out", folder / "run")
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    return folder / "run"


def test_a_run_folder_holds_what_the_documentation_says(teacher: Path) -> None:
    names = {path.name for path in teacher.iterdir()}
    assert names >= {"config.toml", "environment.json", "metrics.jsonl", "last.safetensors", "best.safetensors"}
    lines = [json.loads(line) for line in (teacher / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert list((teacher / "tensorboard").iterdir())
    assert load_checkpoint(teacher / "best.safetensors").header.selection == {"teacher": "validation"}
    assert load_checkpoint(teacher / "last.safetensors").header.selection == {"teacher": "last"}


NUM_EPOCHS = 25  # of a training that is stopped
RESUMES = "avadclip: note: interrupted; the same command resumes after the last finished epoch\n"


def wait_for(num_epochs: int, run_folder: Path) -> None:
    metrics = run_folder / "metrics.jsonl"
    for _ in range(3000):
        if metrics.is_file() and len(metrics.read_text().splitlines()) >= num_epochs:
            break
        time.sleep(0.02)


def stop_after(num_epochs: int, process: subprocess.Popen[str], run_folder: Path, number: signal.Signals) -> str:
    """Send a signal to a training and its processes once so many epochs are done; return its stderr."""
    wait_for(num_epochs, run_folder)
    os.killpg(process.pid, number)
    _, errors = process.communicate()
    assert num_epochs <= len((run_folder / "metrics.jsonl").read_text().splitlines()) < NUM_EPOCHS
    return errors


def test_a_run_stopped_in_the_middle_ends_with_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.toml", epochs=NUM_EPOCHS)
    process = start("train", recipe, "--out", tmp_path / "killed")
    assert stop_after(3, process, tmp_path / "killed", signal.SIGINT) == RESUMES
    assert process.returncode == 130
    stop_after(6, start("train", recipe, "--out", tmp_path / "killed"), tmp_path / "killed", signal.SIGKILL)
    assert run("train", recipe, "--out", tmp_path / "killed").returncode == 0
    assert run("train", recipe, "--out", tmp_path / "whole").returncode == 0
    for file in ("last.safetensors", "best.safetensors", "state.safetensors"):
        resumed, whole = load_file(tmp_path / "killed" / file), load_file(tmp_path / "whole" / file)
        assert resumed.keys() == whole.keys()
        assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_a_distilled_student_brings_its_teacher_along(teacher: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "student.toml", kind="visual student", distillation="uncertainty")
    done = run("distill", recipe, "--teacher", teacher / "best.safetensors", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    checkpoint = load_checkpoint(tmp_path / "run" / "best.safetensors")
    assert set(checkpoint.networks) == {"teacher", "visual student"}
    original = load_checkpoint(teacher / "best.safetensors").networks["teacher"].state_dict()
    kept = checkpoint.networks["teacher"].state_dict()
    assert all(torch.equal(original[name], kept[name]) for name in original)


def test_own_footage_gets_its_warnings_and_a_tiny_validation_praises_no_epoch(
    tmp_path: Path, avadclip_command: Command
) -> None:
    lines = ["video,label"]
    random = np.random.default_rng(0)
    for number in range(24):
        rows = random.normal(size=(9, 8)).astype(np.float32)
        made = SnippetFeatures.from_arrays(rows, rows, visual_encoder="i3d", audio_encoder="vggish")
        write_features(tmp_path / "features" / f"{number}.safetensors", made)
        lines.append(f"{number},{'riot' if number % 2 else 'normal'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    source = f'{tmp_path / "labels.csv"}"\nfeatures = "{tmp_path / "features"}'
    recipe = write_recipe(tmp_path / "recipe.toml", source=source, batch_size=4, epochs=1)
    recipe.write_text(recipe.read_text().replace('encoders = "synthetic"', 'encoders = "i3d"'))
    code, out, err = avadclip_command("train", str(recipe), "--out", str(tmp_path / "run"))
    assert code == 0, err
    found = "validation holds 1 anomalous and 1 normal videos"
    assert err.startswith(f"avadclip: note: {found}")
    assert err.count("note:") == 1
    (best,) = [line for line in out.splitlines() if line.startswith("best")]
    assert best.endswith(f"cannot tell epochs apart: use {tmp_path / 'run' / 'last.safetensors'}")
    card = load_checkpoint(tmp_path / "run" / "last.safetensors").header.card
    assert f"\nWarnings about the footage:\n\n- {found}" in card
    code, out, err = avadclip_command("train", str(recipe), "--out", str(tmp_path / "run"), "--quiet")
    assert (code, out) == (0, "")
    assert found in err  # a run that is there already has no other footage


@pytest.mark.parametrize("options", [(), ("--force",)])
def test_leaving_out_a_teacher_that_is_worse_is_a_note(
    teacher: Path, tmp_path: Path, avadclip_command: Command, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    aps = iter([0.9, 0.6, 0.9, 0.8, 0.8])  # of the student alone, of its teacher, of the student beside it
    monkeypatch.setattr("avadclip.training.validation.average_precision_score", lambda *_: next(aps))
    recipe = write_recipe(tmp_path / "student.toml", kind="visual student", distillation="uncertainty")
    checkpoint = str(teacher / "best.safetensors")
    code, _, err = avadclip_command(
        "distill", str(recipe), "--teacher", checkpoint, "--out", str(tmp_path / "run"), *options
    )
    assert code == 0, err
    assert ("the teacher was left out of 1 of 2 epochs" in err) == (not options)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["is_taught"] for line in lines] == [True, bool(options)]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_two_processes_learn_what_one_does(teacher: Path, tmp_path: Path) -> None:
    # 13 bags a step: shares of 7 and 6. Students have no dropout, whose noise is each process's own.
    recipe = write_recipe(tmp_path / "student.toml", kind="visual student", distillation="uncertainty", batch_size=13)
    distill = ("distill", recipe, "--teacher", teacher / "best.safetensors", "--force", "--out")
    meet = ("--nodes", "2", "--main-address", f"127.0.0.1:{free_port()}")
    commands = {"one": [()], "two devices": [("--devices", "2")], "two nodes": [meet, meet]}
    metrics = {}
    for name, options in commands.items():
        processes = [start(*distill, tmp_path / name, *option) for option in options]
        told = [process.communicate() for process in processes]
        assert [process.returncode for process in processes] == [0] * len(options), told
        assert "".join(out for out, _ in told).count("last: ") == 1
        assert [err for _, err in told] == [""] * len(options)
        assert len(list((tmp_path / name / "tensorboard").iterdir())) == 1
        metrics[name] = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
    assert len(metrics["one"]) == 2
    assert all(line["distillation"] != 0 for line in metrics["one"])
    for name in ("two devices", "two nodes"):
        for one, two in zip(metrics["one"], metrics[name], strict=True):
            assert two == pytest.approx(one, rel=1e-4)


def test_two_processes_listen_on_the_loopback_only_and_their_interrupt_is_one_line(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.toml", epochs=NUM_EPOCHS)
    process = start("train", recipe, "--out", tmp_path / "run", "--devices", "2")
    wait_for(1, tmp_path / "run")
    launcher = psutil.Process(process.pid)
    sockets = [s for each in (launcher, *launcher.children(recursive=True)) for s in each.net_connections("inet")]
    assert {s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    assert stop_after(1, process, tmp_path / "run", signal.SIGINT) == RESUMES
    assert process.returncode == 130


def test_what_two_processes_cannot_do_is_one_line(teacher: Path, tmp_path: Path) -> None:
    done = run("train", write_recipe(tmp_path / "other.toml", epochs=3), "--out", teacher, "--devices", "2")
    assert (done.returncode, done.stderr.count("choose another --out"), done.stderr.count("\n")) == (1, 1, 1)
    done = run("train", tmp_path / "other.toml", "--out", tmp_path / "run", "--nodes", "2")
    assert (done.returncode, done.stderr.count("--main-address"), done.stderr.count("\n")) == (1, 1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('network_kind = "teacher"', "network_kind"),  # a teacher cannot be distilled
        ("embed_dim = 16", "embed_dim"),
        ("embed_dims = 32", "did you mean `embed_dim`"),
    ],
)
def test_a_recipe_that_does_not_fit_is_one_line(
    teacher: Path, tmp_path: Path, avadclip_command: Command, change: str, message: str
) -> None:
    recipe = write_recipe(tmp_path / "student.toml", kind="visual student", distillation="uncertainty")
    key = change.split(" = ", maxsplit=1)[0].rstrip("s")
    lines = [change if line.split(" = ")[0] == key else line for line in recipe.read_text().splitlines()]
    recipe.write_text("\n".join(lines))
    code, _, err = avadclip_command(
        "distill", str(recipe), "--teacher", str(teacher / "best.safetensors"), "--out", str(tmp_path / "run")
    )
    assert code == 1
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_folder_of_another_run_is_refused(teacher: Path, tmp_path: Path, avadclip_command: Command) -> None:
    recipe = write_recipe(tmp_path / "recipe.toml", epochs=3)
    code, _, err = avadclip_command("train", str(recipe), "--out", str(teacher))
    assert code == 1
    assert "holds another run" in err


SYSTEM_RECIPE = """
network_kind = "deep-mil"
encoders = "synthetic"

[data]
source = "synthetic:tiny"

[bags]
max_snippets = 32
stretch = true

[optimizer]
kind = "adagrad"
batch_size = {batch_size}
epochs = 2
"""


def test_a_comparison_system_trains_and_is_measured_like_any_network(tmp_path: Path, avadclip_command: Command) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(SYSTEM_RECIPE.format(batch_size=10))
    code, _, err = avadclip_command("train", str(recipe), "--out", str(tmp_path / "run"))
    assert code == 0, err
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all({"total", "ranking", "smoothness", "sparsity"} <= line.keys() for line in lines)
    checkpoint = tmp_path / "run" / "best.safetensors"
    assert set(load_checkpoint(checkpoint).networks) == {"deep-mil"}
    code, out, err = avadclip_command("evaluate", str(checkpoint), "--data", "synthetic:tiny", "--format", "json")
    assert code == 0, err
    (report,) = json.loads(out)
    assert report["network"] == "deep-mil"
    assert {measure["head"] for measure in report["measures"]} == {"classifier"}


def test_a_batch_that_cannot_be_paired_is_one_line(tmp_path: Path, avadclip_command: Command) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(SYSTEM_RECIPE.format(batch_size=9))
    code, _, err = avadclip_command("train", str(recipe), "--out", str(tmp_path / "run"))
    assert code == 1
    assert "`optimizer.batch_size` is 9, deep-mil learns from pairs; needed an even number" in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments", [[], ["videos", "--recipe", "a.toml"], ["a.toml", "--from-scratch"], ["videos", "--devices", "2"]]
)
def test_videos_and_a_recipe_exclude_each_other(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["train", "--out", "run", *arguments])
    assert result.exit_code == 2, result.output
