"""Commands on composed data."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import avadclip.research.reproduce.figure4
from avadclip.apps.cli import terminal
from avadclip.data.bags import Dataset
from avadclip.data.label_csv import read_label_csv
from avadclip.report.figures.truth import draw_against_truth
from avadclip.report.words import origin_words

from ...research.reproduce.conftest import write_recipes
from .conftest import SOUNDS, make_recordings

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def source(recordings_folder: Path, tiny: Dataset) -> str:
    # `tiny`: its features are there.
    return f"composed:tiny:{recordings_folder}"


def test_a_reproduced_table_calls_its_numbers_composed_and_is_resumed(
    source: str, tiny: Dataset, tmp_path: Path, avadclip_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = write_recipes(tmp_path / "recipes")
    options = ("--data", source, "--recipes", str(recipes), "--seeds", "1", "--out", str(tmp_path / "out"))
    code, out, err = avadclip_command("reproduce", "5", *options)
    assert code == 0, err
    name = "composed:tiny (composed data)"
    assert name == tiny.name + origin_words(tiny.name, is_synthetic=tiny.is_synthetic)
    assert f"ours on {name}" in out
    for suffix in ("md", "tex"):
        assert f"ours on {name}" in (tmp_path / "out" / f"table-5.{suffix}").read_text()
    table = (tmp_path / "out" / "table-5.csv").read_text()
    lines = list(csv.DictReader(table.splitlines()))
    assert len(lines) == 5 * 5  # kinds of fusion and the linear probe; AP, its control and margin, AVG and AVG strict
    assert {(line["measured_on"], line["composed"], line["synthetic"]) for line in lines} == {(name, "true", "false")}
    monkeypatch.delattr("avadclip.research.reproduce.runner.follow_recipe")  # nothing is trained again
    code, _, err = avadclip_command("reproduce", "5", *options)
    assert code == 0, err
    assert (tmp_path / "out" / "table-5.csv").read_text() == table


def test_figure_4_calls_its_curves_composed(
    source: str, tmp_path: Path, avadclip_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = set()

    def keep(*arguments: object, name: str, **others: object) -> object:
        names.add(name)
        return draw_against_truth(*arguments, name=name, **others)

    monkeypatch.setattr(avadclip.research.reproduce.figure4, "draw_against_truth", keep)
    options = ("--data", source, "--recipes", str(write_recipes(tmp_path / "recipes")), "--out", str(tmp_path / "out"))
    code, _, err = avadclip_command("reproduce", "figure4", *options)
    assert code == 0, err
    assert names == {"AVadCLIP (composed data)"}


def test_every_command_shows_the_progress_of_the_features(
    source: str, tmp_path: Path, avadclip_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal.progress, "LINE_SECONDS", 0.0)
    recipes, data = write_recipes(tmp_path / "recipes"), ("--data", source)
    for recipe in recipes.iterdir():
        recipe.write_text(f'encoders = "lite"\n{recipe.read_text()}\n[data]\nsource = "{source}"\n')
    teacher, student, out = (str(tmp_path / name) for name in ("teacher", "student", "out"))
    best = f"{teacher}/best.safetensors"
    for command in (
        ("train", str(recipes / "teacher.toml"), "--out", teacher),
        ("distill", str(recipes / "visual_student.toml"), "--teacher", best, "--out", student),
        ("evaluate", best, *data),
        ("robustness", best, *data, "--out", out),
        ("reproduce", "5", *data, "--recipes", str(recipes), "--seeds", "1", "--out", out),
    ):
        code, _, err = avadclip_command(*command)
        assert (code, "features of composed:tiny, step 24 of 24\n" in err) == (0, True), err


def test_the_table_of_two_datasets_is_left_out_and_says_what_it_needs(source: str, avadclip_command: Command) -> None:
    code, _, err = avadclip_command("reproduce", "cross", "--data", source, "--out", "unused")
    assert (code, "give the other with --second-data" in err) == (1, True), err


def test_the_check_counts_recordings_and_sequences_and_says_which_are_only_tested_on(
    source: str, tiny: Dataset, avadclip_command: Command
) -> None:
    code, out, _ = avadclip_command("data", "check", source, "--format", "json")
    assert code == 0
    found = json.loads(out)
    counts = {(each["kind"], each["role"], each["label"]): each for each in found["labels"]}
    gunshots = counts["sound", "event", "gunshot"]  # three sessions of one recording, and a share-alike one
    assert (gunshots["num_sessions"], gunshots["num_unused"]) == (4, 0)
    assert sum(gunshots["num_recordings"].values()) == 4
    speech = counts["sound", "hard negative", "speech"]  # share-alike alone
    assert speech["num_recordings"] == {"train": 0, "validation": 0, "test": 1}
    assert found["num_share_alike"] == len(SOUNDS) + 1
    licences = {each["licence"]: each for each in found["licences"]}
    assert licences["CC BY-SA 4.0"] == {
        "licence": "CC BY-SA 4.0",
        "num_recordings": len(SOUNDS) + 1,
        "num_trained_on": 0,
        "num_share_alike": len(SOUNDS) + 1,
    }
    for split in found["splits"]:
        bags = tiny.bags_of(split["split"])
        assert (split["num_sequences"], split["num_with_events"]) == (len(bags), sum(bag.is_anomalous for bag in bags))
        of_kind = [sum(kind in bag.composition.event_kinds for bag in bags) for kind in ("visible", "audible", "both")]
        assert all(number >= least for number, least in zip(split["num_events"].values(), of_kind, strict=True))
        assert split["hours"] == pytest.approx(sum(len(bag.stored) for bag in bags) * 16 / 24 / 3600)


def test_the_check_fits_a_terminal_and_makes_no_features(tmp_path: Path, avadclip_command: Command) -> None:
    folder = make_recordings(tmp_path / "recordings")
    code, out, err = avadclip_command("data", "check", f"composed:full:{folder}")
    assert (code, err) == (0, "")
    tables = [line for line in out.splitlines() if not line.startswith(("composed:", "note: "))]
    assert max(map(len, tables)) <= 80
    assert "composed data: real recordings, put together by chance" in out
    assert not (folder / "composed-features").exists()


def test_the_first_mistake_in_the_list_is_one_line(tmp_path: Path, avadclip_command: Command) -> None:
    (tmp_path / "recordings.csv").write_text(
        "file,kind,label,session,licence,share_alike,role\na.wav,noise,rain,1,own,0,background\n"
    )
    code, out, err = avadclip_command("data", "check", f"composed:tiny:{tmp_path}")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "recordings.csv:2: `kind` is 'noise'" in err


def test_written_videos_have_labels_and_show_progress(
    source: str, tiny: Dataset, tmp_path: Path, avadclip_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal.progress, "LINE_SECONDS", 0.0)
    out = tmp_path / "videos"
    options = ("--out", str(out), "--split", "validation", "--limit", "2")
    code, printed, err = avadclip_command("data", "compose", source.removeprefix("composed:"), *options)
    assert (code, f"written: 2 videos, labels.csv and licences.txt in {out}\n") == (0, printed), err
    assert "videos of composed:tiny, step 2 of 2\n" in err
    labelled = {video.video: video.intervals for video in read_label_csv(out / "labels.csv")}
    assert labelled == {f"{bag.name}.mkv": bag.intervals for bag in tiny.validation[:2]}
    assert all((out / name).is_file() for name in labelled)


def test_another_seed_writes_other_videos(source: str, tmp_path: Path, avadclip_command: Command) -> None:
    for seed in ("0", "1"):
        options = ("--out", str(tmp_path / seed), "--limit", "1", "--seed", seed)
        assert avadclip_command("data", "compose", source, *options)[0] == 0
    (first,), (second,) = (sorted((tmp_path / seed).glob("*.mkv")) for seed in ("0", "1"))
    assert first.name == second.name
    assert first.read_bytes() != second.read_bytes()
