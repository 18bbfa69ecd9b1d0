import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.main import get_command

import avadclip.data.datasets
from avadclip.apps.cli.main import app
from avadclip.config import NetworkConfig
from avadclip.data.bags import Bag, Dataset, Interval
from avadclip.evaluation.metrics.records import (
    F1,
    AucParts,
    FalseAlarms,
    HardNormals,
    LatencyAp,
    Measure,
    RecallAtLimit,
    Report,
    VideoMeasure,
)
from avadclip.events import Thresholds
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader, save_checkpoint
from avadclip.inference.networks import build_network
from avadclip.timeline import SnippetGrid

Command = Callable[..., tuple[int, str, str]]
CLASSES = ("normal", "fighting", "a\x1b[31mriot")
DIM = 8
DOCS = Path(__file__).parents[3] / "docs"


def make_bags() -> Iterator[Bag]:
    random = np.random.default_rng(0)
    for index in range(6):
        visual, audio = (random.normal(size=(10, DIM)).astype(np.float32) for _ in range(2))
        label = index % 3
        yield Bag(
            name=f"yard-{index}",
            group=f"yard-{index}",
            stored=SnippetFeatures(visual[None], audio, 10 * 2 / 3, provenance=None),
            targets=np.eye(3, dtype=np.float32)[label],
            intervals=(Interval(CLASSES[label], 2.0, 4.0),) if label else (),
        )


@pytest.fixture
def dataset(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Replaces what `--data` names; keeps what was asked for."""
    bags = tuple(make_bags())
    seen: dict[str, object] = {"test": bags, "validation": bags[:3], "is_synthetic": True}

    def load_dataset(spec: str, *, features: Path | None, seed: int, **others: object) -> Dataset:
        seen.update(others, spec=spec, features=features, seed=seed)
        parts = {name: seen[name] for name in ("test", "validation", "is_synthetic")}
        return Dataset(name=spec, classes=CLASSES, grid=SnippetGrid(), train=(), **parts)

    monkeypatch.setattr(avadclip.data.datasets, "load_dataset", load_dataset)
    return seen


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = NetworkConfig(embed_dim=DIM)
    networks = {
        kind: build_network(kind, visual_dim=DIM, audio_dim=DIM, classes=CLASSES, network=config).frozen()
        for kind in ("teacher", "visual student")
    }
    header = CheckpointHeader(
        name="guard",
        classes=CLASSES,
        encoders="lite",
        features=Provenance(grid=SnippetGrid(), visual={"name": "lite"}, audio=None),
        visual_dim=DIM,
        audio_dim=DIM,
        network=config,
        thresholds=dict.fromkeys(networks, Thresholds(0.5, None)),
        selection={"teacher": "test", "visual student": "last"},
        card="",
    )
    save_checkpoint(tmp_path / "guard.safetensors", Checkpoint(header, networks))
    return tmp_path / "guard.safetensors"


def test_every_table_names_its_subject_and_fits_80_columns(
    dataset: dict[str, object], checkpoint: Path, avadclip_command: Command
) -> None:
    code, out, err = avadclip_command("evaluate", str(checkpoint), "--data", "synthetic:small")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    for network, selection in (
        ("picture and sound", "selected on test"),
        ("picture only", "weights of the last epoch"),
    ):
        title = f"synthetic:small (synthetic data), test split, {network}, {selection}"
        assert (
            " ".join(out.split()).count(title) == 8
        )  # frame level, parts, videos, recall, alarms, F1, mAP, per class; long ones wrap
    assert "a random score gets frame AP 20.00" in out
    assert len(re.findall(r"^alignment +(?:legacy|strict)(?: +\d+\.\d\d){6} *$", out, re.MULTILINE)) == 4
    assert "\x1b" not in out


def test_json_holds_a_report_per_network(
    dataset: dict[str, object], checkpoint: Path, avadclip_command: Command
) -> None:
    arguments = ("--data", "yard.csv", "--features", "rows", "--split", "validation", "--seed", "3", "--format", "json")
    code, out, _ = avadclip_command("evaluate", str(checkpoint), *arguments)
    assert code == 0
    reports = json.loads(out)
    assert [report["network"] for report in reports] == ["teacher", "visual student"]
    assert {report["format"] for report in reports} == {"avadclip-evaluation/1"}
    assert {report["num_videos"] for report in reports} == {3}
    assert {measure["split"] for report in reports for measure in report["measures"]} == {"validation"}
    assert (dataset["spec"], dataset["features"], dataset["seed"]) == ("yard.csv", Path("rows"), 3)


def test_a_network_that_cannot_score_is_one_line_and_the_others_go_on(
    dataset: dict[str, object], checkpoint: Path, avadclip_command: Command
) -> None:
    bags = list(dataset["test"])
    bags[4] = dataclasses.replace(bags[4], stored=dataclasses.replace(bags[4].load(), audio=None))
    dataset["test"] = tuple(bags)
    code, out, err = avadclip_command("evaluate", str(checkpoint), "--data", "yard.csv", "--format", "json")
    assert code == 3
    assert [report["network"] for report in json.loads(out)] == ["visual student"]
    assert err == ("avadclip: error: yard-4 has no sound, which the teacher needs; leave out videos without sound\n")


def test_frames_of_one_kind_get_a_dash_and_no_chance_level(
    dataset: dict[str, object], checkpoint: Path, avadclip_command: Command
) -> None:
    dataset.update(test=dataset["test"][:1], is_synthetic=False)
    code, out, _ = avadclip_command("evaluate", str(checkpoint), "--data", "yard.csv")
    assert code == 0
    assert re.search(r"^classifier +- +- +- +\d+\.\d\d *$", out, re.MULTILINE)
    assert "AP and AUC are undefined" in out
    assert "random score" not in out
    assert "synthetic" not in out


def test_labels_without_times_give_one_table_of_whole_videos(
    dataset: dict[str, object], checkpoint: Path, avadclip_command: Command
) -> None:
    dataset["test"] = tuple(dataclasses.replace(bag, intervals=None) for bag in dataset["test"])
    dataset["validation"] = ()
    code, out, err = avadclip_command("evaluate", str(checkpoint), "--data", "yard.csv", "--partial")
    assert (code, err) == (0, "")
    assert (dataset["undivided"], dataset["partial"]) == ("test", True)
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("Whole videos by their highest score, percent [95 % interval]") == 2
    bounded = r" +\d+\.\d\d \[\d+\.\d\d, \d+\.\d\d\]"
    assert len(re.findall(rf"^(?:classifier|alignment){bounded}{bounded} *$", out, re.MULTILINE)) == 4
    assert "66.67 % of the videos are anomalous: a random score gets video AP 66.67" in out
    assert "Frame level" not in out
    code, out, _ = avadclip_command("evaluate", str(checkpoint), "--data", "yard.csv", "--format", "json")
    assert json.loads(out)[0]["positive_percent"] is None


def write_scores(folder: Path, dataset: dict[str, object]) -> Path:
    random = np.random.default_rng(0)
    rows = {bag.name: random.dirichlet(np.ones(3), size=10) for bag in dataset["test"]}
    np.savez(folder / "rival.npz", **rows)
    return folder / "rival.npz"


def test_anybodys_scores_are_measured_and_their_selection_is_unknown(
    dataset: dict[str, object], tmp_path: Path, avadclip_command: Command
) -> None:
    scores = write_scores(tmp_path, dataset)
    code, out, err = avadclip_command("evaluate", "--scores", str(scores), "--data", "yard.csv")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("yard.csv (synthetic data), test split, rival.npz, selection unknown") == 7  # no F1
    assert re.search(r"^given +(?:\d+\.\d\d *){4}$", out, re.MULTILINE)
    assert "note: rival.npz has 3 class probabilities per snippet, inferred from its 60 rows" in out
    declared = ("--selection", "test", "--format", "json")
    code, out, _ = avadclip_command("evaluate", "--scores", str(scores), "--data", "yard.csv", *declared)
    (report,) = json.loads(out)
    assert (report["network"], report["selection"]) == ("rival.npz", "test")


def test_the_control_and_the_parts_of_the_auc_are_printed(
    dataset: dict[str, object], checkpoint: Path, avadclip_command: Command
) -> None:
    code, out, _ = avadclip_command("evaluate", str(checkpoint), "--data", "yard.csv")
    assert code == 0
    assert len(re.findall(r"^  video means +(?:\d+\.\d\d *){3}$", out, re.MULTILINE)) == 4  # 2 networks, 2 heads
    assert len(re.findall(r"^  margin kept +(?:(?:-|-?\d+\.\d\d) *){3}$", out, re.MULTILINE)) == 4
    assert len(re.findall(r"^(?:classifier|alignment) +\d+\.\d{4}(?: +\d+\.\d\d){5} *$", out, re.MULTILINE)) == 4
    assert len(re.findall(r"^\w+ +10 alarms/h +\S+ +\d+\.\d\d \[\d", out, re.MULTILINE)) == 4
    assert len(re.findall(r"^\w+ +1 % FPR +\S+ +\d+\.\d\d \[\d", out, re.MULTILINE)) == 4
    assert "Hard normals" not in out


def test_a_list_of_hard_normal_videos_gets_a_table_of_its_own(
    dataset: dict[str, object], checkpoint: Path, avadclip_command: Command, tmp_path: Path
) -> None:
    (tmp_path / "hard.txt").write_text("yard-3.mp4\n\n")
    options = ("--data", "yard.csv", "--hard-normals", str(tmp_path / "hard.txt"))
    code, out, err = avadclip_command("evaluate", str(checkpoint), *options)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("Hard normals: 1 video, 0.00 h, at the same thresholds [95 % interval]") == 2
    for what in ("ROC AUC, %", "% FPR, at 1", "alarms/h, at 0.1", "alarms/h, at 1", "alarms/h, at 10"):
        assert len(re.findall(rf"^(?:classifier|alignment) +{re.escape(what)} +\d", out, re.MULTILINE)) == 4
    scores = write_scores(tmp_path, dataset)
    code, out, _ = avadclip_command("evaluate", "--scores", str(scores), *options, "--format", "json")
    (report,) = json.loads(out)
    assert (code, report["num_hard_normals"], len(report["hard_normals"])) == (0, 1, 5)
    (tmp_path / "hard.txt").write_text("\n")
    code, _, err = avadclip_command("evaluate", str(checkpoint), *options)
    assert code == 1
    assert "hard.txt holds no name; give a text file with the name of a video a line" in err


def test_scores_that_do_not_fit_are_exit_1(
    dataset: dict[str, object], tmp_path: Path, avadclip_command: Command
) -> None:
    scores = write_scores(tmp_path, dataset)
    dataset["test"] = dataset["test"][1:]
    code, out, err = avadclip_command("evaluate", "--scores", str(scores), "--data", "yard.csv")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "rival.npz has scores of 1 videos that the data does not have, the first is yard-0" in err


@pytest.mark.parametrize(
    "arguments", [(), ("starter", "--scores", "rival.npz"), ("starter", "--selection", "test")], ids=str
)
def test_what_is_measured_is_named_once(arguments: tuple[str, ...], avadclip_command: Command) -> None:
    code, out, _ = avadclip_command("evaluate", *arguments, "--data", "yard.csv")
    assert (code, out) == (2, "")


def test_data_of_other_classes_are_exit_1(
    dataset: dict[str, object], checkpoint: Path, avadclip_command: Command
) -> None:
    code, out, err = avadclip_command("evaluate", "starter", "--data", "yard.csv")
    assert (code, out) == (1, "")
    assert err.startswith("avadclip: error: yard.csv has the class `a\\x1b[31mriot`, starter knows normal, fighting")


def test_every_key_of_the_json_is_documented() -> None:
    page = (DOCS / "evaluation.md").read_text().partition("\n## JSON")[2].partition("\n## Python")[0]
    records = (Measure, AucParts, LatencyAp, VideoMeasure, RecallAtLimit, HardNormals, FalseAlarms, F1, Report)
    keys = {name for record in records for name in record.model_fields}
    assert keys - set(re.findall(r"`(\w+)`", page)) == set()


def test_every_option_is_documented() -> None:
    page = (DOCS / "evaluation.md").read_text()
    table = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `--")]
    parameters = get_command(app).commands["evaluate"].params
    options = {option for each in parameters for option in each.opts if option.startswith("--")}
    assert {option for cell in table for option in re.findall(r"`(--[\w-]+)`", cell)} == options - {"--help"}


def test_figures_show_every_video_beside_a_baseline(
    dataset: dict[str, object], checkpoint: Path, avadclip_command: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "figures"
    options = ("--figures", str(folder), "--baseline", str(checkpoint), "--figure-format", "svg")
    code, _, err = avadclip_command("evaluate", str(checkpoint), "--data", "synthetic:small", *options)
    assert (code, err) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == [f"yard-{index}.svg" for index in range(6)]
    assert (folder / "yard-1.svg").read_text().startswith("<?xml")


def test_one_network_may_be_measured(dataset: dict[str, object], checkpoint: Path, avadclip_command: Command) -> None:
    command = ("evaluate", str(checkpoint), "--data", "synthetic:small", "--format", "json", "--network")
    code, out, err = avadclip_command(*command, "visual student")
    assert (code, err) == (0, "")
    assert [report["network"] for report in json.loads(out)] == ["visual student"]
    code, out, err = avadclip_command(*command, "audio student")
    assert (code, out) == (1, "")
    assert err == "avadclip: error: guard holds no network 'audio student'; name one of teacher, visual student\n"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--scores", "x.npy", "--figures", "f"), "--figures"),
        (("guard", "--baseline", "b"), "--baseline"),
        (("--scores", "x.npy", "--network", "teacher"), "--network"),
    ],
)
def test_options_that_do_not_go_together(options: tuple[str, ...], word: str, avadclip_command: Command) -> None:
    code, _, err = avadclip_command("evaluate", "--data", "synthetic:small", *options)
    assert code == 2
    assert word in err
