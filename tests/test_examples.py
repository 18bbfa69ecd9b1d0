"""The example plug-ins, installed as users install them; nothing in src knows them."""

import importlib.util
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from avadclip.apps.live.config import WatchConfig
from avadclip.apps.live.sinks.outbox import Outbox
from avadclip.config import parse_config
from avadclip.encoders.onnx.manifest import read_manifest
from avadclip.features.store import read_features
from avadclip.inference.checkpoint import load_checkpoint
from avadclip.testing.media import write_video
from avadclip.testing.messages import event_message

REPOSITORY = Path(__file__).parents[1]
EXAMPLES = sorted(path.parent for path in (REPOSITORY / "examples").glob("*/pyproject.toml"))
MOST_LINES = 62  # of an example's Python

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all examples installed."""
    folder = tmp_path_factory.mktemp("site")
    sources = tmp_path_factory.mktemp("sources")  # pip builds beside the source
    for example in EXAMPLES:
        (sources / example.name).mkdir()
        for path in example.iterdir():
            if path.is_file():
                (sources / example.name / path.name).write_bytes(path.read_bytes())
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder)]
    subprocess.run([*command, *(str(sources / example.name) for example in EXAMPLES)], check=True)
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(site))
    return site


def test_the_manifest_in_the_documentation_is_one(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "plugins.md").read_text()
    (text,) = (
        block for block in re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL) if "[pixels]" in block
    )
    (tmp_path / "visual.toml").write_text(text)
    assert read_manifest(tmp_path / "visual.toml", "visual").graph.features == "features"


def test_examples_are_short() -> None:
    assert len(EXAMPLES) == 3
    for example in EXAMPLES:
        (module,) = example.glob("avadclip_*.py")
        assert len(module.read_text().splitlines()) <= MOST_LINES


def test_the_encoder_extracts_and_its_features_train(
    installed: Path, tmp_path: Path, avadclip_command: Command
) -> None:
    videos = [write_video(tmp_path / f"{name}.mkv") for name in "abcd"]
    out = tmp_path / "features"
    code, _, err = avadclip_command("extract", *map(str, videos), "--encoders", "colours", "--out", str(out))
    assert code == 0, err
    features = read_features(out / "a.safetensors")
    assert (features.visual.shape, features.audio.shape) == ((1, 3, 64), (3, 1))
    assert features.provenance.visual["name"] == "colours"
    rows = [f"{path.name},{label},,,{split}" for path, label, split in zip(
        videos, ["normal", "fighting"] * 2, ["train", "train", "test", "test"], strict=True
    )]  # fmt: skip
    (tmp_path / "labels.csv").write_text("\n".join(["video,label,start,end,split", *rows]))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'network_kind = "attention-mil"\nencoders = "colours"\n[data]\nsource = "{tmp_path / "labels.csv"}"\n'
        f'features = "{out}"\n[optimizer]\nepochs = 1\nbatch_size = 2\n'
    )
    code, _, err = avadclip_command("train", "--recipe", str(recipe), "--out", str(tmp_path / "run"))
    assert code == 0, err
    model = tmp_path / "run" / "last.safetensors"
    code, out, err = avadclip_command("detect", str(videos[0]), "--model", str(model), "--format", "json")
    assert code == 0, err
    assert "attention-mil" in out


def test_the_system_trains_and_its_checkpoint_loads(installed: Path, tmp_path: Path, avadclip_command: Command) -> None:
    recipe = tmp_path / "recipe.toml"
    text = (REPOSITORY / "examples" / "attention_mil" / "recipe.toml").read_text()
    recipe.write_text(text.replace("epochs = 20", "epochs = 1"))
    code, _, err = avadclip_command("train", "--recipe", str(recipe), "--out", str(tmp_path / "run"))
    assert code == 0, err
    (network,) = load_checkpoint(tmp_path / "run" / "last.safetensors").networks.values()
    assert (network.name, network.modality) == ("attention-mil", "audio-visual")


def test_the_sink_gets_the_events_of_a_watch(installed: Path, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    content = {"cameras": {"yard": {"source": "x"}}, "state": str(tmp_path / "state")}
    config = parse_config({**content, "sinks": {"lines": {"path": str(path)}}}, WatchConfig, origin="test")
    with ExitStack() as cleanup:
        outbox = Outbox(tmp_path / "state", config, (), cleanup, lambda: None)
        outbox.start()
        for number, kind in enumerate(("new", "end")):
            outbox.record(event_message(kind, 1, number))
    assert [json.loads(line)["type"] for line in path.read_text().splitlines()] == ["new", "end"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_each_example_passes_its_own_test(installed: Path, tmp_path: Path, example: Path) -> None:
    (path,) = example.glob("test_*.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (test,) = (value for name, value in vars(module).items() if name.startswith("test_"))
    test(**dict.fromkeys(inspect.signature(test).parameters, tmp_path))
