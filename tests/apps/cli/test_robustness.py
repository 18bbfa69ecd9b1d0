import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from typer.main import get_command

import avadclip.data.datasets
import avadclip.encoders.load
from avadclip.apps.cli.main import app
from avadclip.config import NetworkConfig
from avadclip.data.bags import Bag, Dataset, Interval
from avadclip.encoders.load import load_encoders
from avadclip.evaluation.robustness import CONDITIONS
from avadclip.events import Thresholds
from avadclip.features.batch import extract_to_folder
from avadclip.features.store import read_features
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader, save_checkpoint
from avadclip.inference.networks import build_network
from avadclip.timeline import SnippetGrid

torch.set_num_threads(1)

Command = Callable[..., tuple[int, str, str]]
DOCS = Path(__file__).parents[3] / "docs"
CLASSES = ("normal", "fighting")
PICTURES = ("robustness.json", "robustness.md", "robustness.png", "variance.png")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, sample_videos: tuple[Path, Path]) -> tuple[Path, Dataset]:
    """A folder of two short cuts of the sample video that has sound, and their data."""
    folder = tmp_path_factory.mktemp("videos")
    for name, seconds in (("a", 0.8), ("b", 1.5)):
        _cut(sample_videos[0], folder / f"{name}.mkv", seconds)
    outcomes = extract_to_folder(sorted(folder.iterdir()), folder.with_name("features"), load_encoders("lite"))
    bags = [
        Bag(
            f"{name}.mkv",
            name,
            read_features(outcome.feature_file),
            np.eye(2, dtype=np.float32)[number],
            (Interval("fighting", 0.0, 0.7),) * number,
        )
        for number, (name, outcome) in enumerate(zip("ab", outcomes, strict=True))
    ]
    return folder, Dataset("yard", CLASSES, SnippetGrid(), (), (), tuple(bags))


def _cut(source: Path, target: Path, seconds: float) -> None:
    with av.open(str(source)) as taken, av.open(str(target), "w") as made:
        streams = {
            each.index: made.add_stream_from_template(each) for each in (*taken.streams.video, *taken.streams.audio)
        }
        for packet in taken.demux(*(taken.streams[index] for index in streams)):
            if packet.pts is not None and float(packet.pts * packet.time_base) < seconds:
                packet.stream = streams[packet.stream.index]
                made.mux(packet)


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: tuple[Path, Dataset]) -> Dataset:
    """Replaces what `--data` names; its videos are in the folder `videos`."""
    folder, dataset = recorded
    shutil.copytree(folder, tmp_path / "videos")
    monkeypatch.setattr(avadclip.data.datasets, "load_dataset", lambda *_, **__: dataset)
    return dataset


@pytest.fixture
def checkpoint(tmp_path: Path, yard: Dataset) -> Path:
    return _save_untrained(tmp_path / "guard.safetensors", yard, encoders="lite")


def _save_untrained(path: Path, dataset: Dataset, *, encoders: str) -> Path:
    """A teacher and a visual student for these features."""
    torch.manual_seed(0)
    features = dataset.test[0].load()
    widths = {"visual_dim": features.visual.shape[-1], "audio_dim": features.audio_width}
    config = NetworkConfig(embed_dim=8)
    networks = {
        kind: build_network(kind, **widths, classes=dataset.classes, network=config).frozen()
        for kind in ("teacher", "visual student")
    }
    header = CheckpointHeader(
        name="guard",
        classes=dataset.classes,
        encoders=encoders,
        features=features.provenance,
        network=config,
        thresholds=dict.fromkeys(networks, Thresholds(0.5, None)),
        selection=dict.fromkeys(networks, "last"),
        card="",
        **widths,
    )
    save_checkpoint(path, Checkpoint(header, networks))
    return path


def test_videos_are_damaged_measured_and_kept_for_the_next_run(
    tmp_path: Path, yard: Dataset, checkpoint: Path, avadclip_command: Command
) -> None:
    out = tmp_path / "out"
    arguments = ("robustness", str(checkpoint), "--data", "yard.csv", "--videos", str(tmp_path / "videos"))
    code, table, err = avadclip_command(*arguments, "--out", str(out))
    assert (code, err) == (0, "")
    assert max(map(len, table.splitlines())) <= 80
    assert all(f"\n{condition} " in table for condition in CONDITIONS)
    assert all((out / name).stat().st_size for name in PICTURES)
    kept = {path: path.stat().st_mtime_ns for path in sorted(out.rglob("*.safetensors"))}
    assert len(kept) == 2 * 7
    dark = read_features(out / "features" / "dark" / "b.mkv.safetensors")
    assert dark.provenance.damage["name"] == "dark"
    np.testing.assert_array_equal(dark.audio, yard.test[1].load().audio)
    assert not np.allclose(dark.visual, yard.test[1].load().visual)

    code, document, _ = avadclip_command(*arguments, "--out", str(out), "--format", "json")
    assert code == 0
    assert json.loads(document) == json.loads((out / "robustness.json").read_text())
    assert json.loads(document)["damage_of"] == "videos"
    assert {path: path.stat().st_mtime_ns for path in sorted(out.rglob("*.safetensors"))} == kept


def test_without_videos_features_are_damaged_with_a_note(
    tmp_path: Path, yard: Dataset, checkpoint: Path, avadclip_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(avadclip.encoders.load, "load_encoders", None)  # needs none
    options = ("--data", "yard.csv", "--out", str(tmp_path / "out"), "--format", "markdown")
    code, page, err = avadclip_command("robustness", str(checkpoint), *options)
    assert (code, err) == (0, "")
    assert page.startswith("guard on yard, test split; analogues on features, no video was damaged; head classifier.")
    assert page == (tmp_path / "out" / "robustness.md").read_text()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(PICTURES)


def test_it_runs_on_the_synthetic_benchmark(tmp_path: Path, avadclip_command: Command) -> None:
    data = avadclip.data.datasets.load_dataset("synthetic:tiny", seed=0)
    model = _save_untrained(tmp_path / "guard.safetensors", data, encoders="synthetic")
    options = ("--data", "synthetic:tiny", "--out", str(tmp_path / "out"))
    code, table, err = avadclip_command("robustness", str(model), *options)
    assert (code, err) == (0, "")
    assert "synthetic data" in table
    report = json.loads((tmp_path / "out" / "robustness.json").read_text())
    assert [each["name"] for each in report["conditions"]] == list(CONDITIONS)
    assert all(each["is_synthetic"] for condition in report["conditions"] for each in condition["reports"])


@pytest.mark.data
def test_it_runs_on_composed_sequences_of_real_videos(
    tmp_path: Path, composed_fights: Path, avadclip_command: Command
) -> None:
    options = ("--data", str(composed_fights / "labels.csv"), "--features", str(composed_fights / "rows"))
    code, document, err = avadclip_command(
        "robustness", "starter-1", *options, "--out", str(tmp_path / "out"), "--format", "json"
    )
    assert (code, err) == (0, "")
    conditions = {each["name"]: each for each in json.loads(document)["conditions"]}
    assert list(conditions) == list(CONDITIONS)
    assert conditions.pop("muted")["chosen"] == {"visual student": 2}
    assert all(each["chosen"] == {"teacher": 2} for each in conditions.values())
    ap = {
        name: {each["network"]: each["measures"][0]["percent"] for each in condition["reports"]}
        for name, condition in conditions.items()
    }
    assert ap["clean"].keys() == {"teacher", "visual student", "automatic choice"}
    assert ap["black"]["visual student"] != ap["clean"]["visual student"] == ap["foreign"]["visual student"]


def test_a_folder_without_the_videos_is_one_line_and_leaves_nothing(
    tmp_path: Path, yard: Dataset, checkpoint: Path, avadclip_command: Command
) -> None:
    (tmp_path / "videos" / "b.mkv").unlink()
    options = ("--data", "yard.csv", "--out", str(tmp_path / "out"), "--videos", str(tmp_path / "videos"))
    code, out, err = avadclip_command("robustness", str(checkpoint), *options)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "has no unique video b.mkv; give the folder that the labels' paths are relative to" in err
    assert not (tmp_path / "out").exists()


def test_a_video_without_times_is_one_line(
    tmp_path: Path, yard: Dataset, checkpoint: Path, avadclip_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeless = dataclasses.replace(yard, test=tuple(dataclasses.replace(bag, intervals=None) for bag in yard.test))
    monkeypatch.setattr(avadclip.data.datasets, "load_dataset", lambda *_, **__: timeless)
    code, _, err = avadclip_command("robustness", str(checkpoint), "--data", "y.csv", "--out", str(tmp_path / "out"))
    assert code == 1
    assert "a.mkv has no annotated intervals" in err
    assert not (tmp_path / "out").exists()


def test_every_option_is_documented() -> None:
    table = [
        line.split("|")[1] for line in (DOCS / "robustness.md").read_text().splitlines() if line.startswith("| `--")
    ]
    parameters = get_command(app).commands["robustness"].params
    real = {option for each in parameters for option in each.opts if option.startswith("--")}
    assert {cell.strip(" `") for cell in table} == real
