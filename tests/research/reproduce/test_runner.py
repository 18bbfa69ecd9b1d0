import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import avadclip.research.reproduce.runner
import avadclip.research.reproduce.sources
from avadclip.data.bags import Dataset
from avadclip.data.datasets import load_dataset
from avadclip.data.synthetic import load_synthetic
from avadclip.errors import DataError
from avadclip.features.store import write_features
from avadclip.inference.checkpoint import load_checkpoint
from avadclip.research.reproduce.as_published import select_on_test
from avadclip.research.reproduce.measuring import measure_checkpoint
from avadclip.research.reproduce.plans import (
    AUDIO_STUDENT,
    OTHER_TEACHER,
    RANDOM,
    TEACHER,
    VISUAL_STUDENT,
    Run,
    TableJob,
)
from avadclip.research.reproduce.runner import Outcomes, SeedRuns, run_jobs
from avadclip.research.reproduce.sources import make_sources

from .conftest import write_recipes

STUDENTS = [TableJob(VISUAL_STUDENT), TableJob(AUDIO_STUDENT)]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every training that really takes place: network and seed."""
    calls: list[tuple[str, int]] = []
    real_train = avadclip.research.reproduce.runner.follow_recipe

    def watched(config, data, folder, **options):
        calls.append((config.network_kind, config.seed))
        return real_train(config, data, folder, **options)

    monkeypatch.setattr(avadclip.research.reproduce.runner, "follow_recipe", watched)
    return calls


@pytest.fixture
def run(tmp_path: Path, recipes: Path) -> Callable[..., Outcomes]:
    def call(jobs: list[TableJob], **options: int) -> Outcomes:
        sources = make_sources("synthetic:tiny", recipes=recipes)
        return run_jobs(jobs, sources, tmp_path / "out", **{"num_seeds": 1, **options})

    return call


def test_teacher_is_trained_once_for_all_students(run: Callable[..., Outcomes], trained: list[tuple[str, int]]) -> None:
    run([*STUDENTS, TableJob(TEACHER)], num_seeds=2)
    kinds = ("teacher", "visual student", "audio student")
    assert trained == [(kind, seed) for seed in (0, 1) for kind in kinds]


def test_finished_runs_are_read_again(run: Callable[..., Outcomes], trained: list[tuple[str, int]]) -> None:
    first = run(STUDENTS)
    trained.clear()
    assert run(STUDENTS) == first
    assert trained == []
    run(STUDENTS, num_seeds=2)
    assert {seed for _, seed in trained} == {1}


def test_changed_recipe_is_trained_again(
    run: Callable[..., Outcomes], trained: list[tuple[str, int]], recipes: Path
) -> None:
    run(STUDENTS)
    trained.clear()
    for name, expected in (
        ("audio_student", ["audio student"]),
        ("teacher", ["teacher", "visual student", "audio student"]),
    ):
        file = recipes / f"{name}.toml"
        file.write_text(file.read_text().replace("batch_size = 20", "batch_size = 10"))
        run(STUDENTS)
        assert [kind for kind, _ in trained] == expected
        trained.clear()


def test_changed_data_is_trained_on_again(
    run: Callable[..., Outcomes], trained: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run([TableJob(TEACHER)])

    def one_less(*arguments: object, **options: object) -> Dataset:
        dataset = load_dataset(*arguments, **options)
        return dataclasses.replace(dataset, test=dataset.test[:-1])

    monkeypatch.setattr(avadclip.research.reproduce.sources, "load_dataset", one_less)
    after = run([TableJob(TEACHER)])
    assert len(trained) == 2
    assert [each[TableJob(TEACHER), 0].report.num_videos for each in (before, after)] == [20, 19]


def test_changed_plan_is_another_run(run: Callable[..., Outcomes], trained: list[tuple[str, int]]) -> None:
    run([TableJob(TEACHER)])
    run([TableJob(Run(TEACHER.name, TEACHER.recipe, (("loss.focal", False),)))])
    assert len(trained) == 2


def test_failed_job_does_not_stop_the_others(run: Callable[..., Outcomes]) -> None:
    missing = TableJob(Run("nobody", "nobody"))
    outcomes = run([missing, TableJob(TEACHER)])
    assert "nobody.toml" in outcomes[missing, 0].problem
    assert outcomes[TableJob(TEACHER), 0].report is not None


def test_random_scores_get_the_share_of_anomalous_frames(recipes: Path, tmp_path: Path) -> None:
    outcomes = run_jobs([TableJob(RANDOM)], make_sources("synthetic:small"), tmp_path, num_seeds=1)
    report = outcomes[TableJob(RANDOM), 0].report
    assert report.percent("frame_ap", head="given") == pytest.approx(report.positive_percent, abs=2.0)


def test_both_datasets_are_trained_and_tested_on(run: Callable[..., Outcomes], trained: list[tuple[str, int]]) -> None:
    jobs = [TableJob(TEACHER), TableJob(TEACHER, "second"), TableJob(OTHER_TEACHER), TableJob(OTHER_TEACHER, "second")]
    outcomes = run(jobs)
    assert trained == [("teacher", 0), ("teacher", 1000)]
    shares = [outcomes[job, 0].report.positive_percent for job in jobs]
    assert shares[0] == shares[2] != shares[1] == shares[3]


def test_own_videos_are_trained_on_with_the_encoders_of_their_files(tmp_path: Path, recipes: Path) -> None:
    rows = ["video,label,start,end,split"]
    for bag in load_synthetic("tiny").train + load_synthetic("tiny").test:
        names = {"visual": {"name": "lite"}, "audio": {"name": "log-mel"}}
        origin = bag.stored.provenance.model_copy(update=names)
        features = dataclasses.replace(bag.load(), source_sha256="0" * 64, provenance=origin)
        write_features(tmp_path / "features" / f"{bag.name}.safetensors", features)
        split = "test" if "test" in bag.name else "train"
        rows += [f"{bag.name}.mp4,{each.label},{each.start},{each.end},{split}" for each in bag.intervals or ()]
        rows += [] if bag.intervals else [f"{bag.name}.mp4,normal,,,{split}"]
    (tmp_path / "yard.csv").write_text("\n".join(rows))
    sources = make_sources(str(tmp_path / "yard.csv"), features=tmp_path / "features", recipes=recipes)
    outcome = run_jobs([TableJob(TEACHER)], sources, tmp_path / "out", num_seeds=1)[TableJob(TEACHER), 0]
    assert outcome.problem == ""
    assert (outcome.report.dataset, outcome.report.num_videos) == ("yard", 20)
    (finished,) = (tmp_path / "out").rglob("finished.json")
    assert json.loads(finished.read_text())["recipe"]["encoders"] == "lite"  # read from the feature files


def test_missing_data_is_an_error_before_anything_is_written(recipes: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("video,label\n")
    with pytest.raises(DataError):
        run_jobs([TableJob(TEACHER)], make_sources(str(tmp_path / "labels.csv")), tmp_path / "out", num_seeds=1)
    assert not (tmp_path / "out").exists()


def test_a_table_of_frames_needs_times(monkeypatch: pytest.MonkeyPatch, run: Callable[..., Outcomes]) -> None:
    def without_times(*arguments: object, **options: object) -> Dataset:
        dataset = load_dataset(*arguments, **options)
        return dataclasses.replace(
            dataset, test=tuple(dataclasses.replace(bag, intervals=None) for bag in dataset.test)
        )

    monkeypatch.setattr(avadclip.research.reproduce.sources, "load_dataset", without_times)
    outcome = run([TableJob(TEACHER)])[TableJob(TEACHER), 0]
    assert "has no annotated intervals, which the tables need" in outcome.problem


def lines_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def chosen(tmp_path: Path) -> Callable[[str, bool], tuple[Path, list[dict[str, float]]]]:
    """Trains one run over six epochs, long enough to get worse in some."""

    def call(name: str, best_on_test: bool) -> tuple[Path, list[dict[str, float]]]:
        recipes = write_recipes(tmp_path / "longer", epochs=6, learning_rate=0.05)
        runs = SeedRuns(make_sources("synthetic:tiny", recipes=recipes), tmp_path / "out", 0, best_on_test)
        system = Run(name, "teacher" if name == "teacher" else f"baselines/{name}", (("optimizer.epochs", 6),))
        folder = runs.train(system).folder
        return folder, lines_of(folder)

    return call


def test_with_best_on_test_a_worse_epoch_is_undone_and_marked_as_selected_on_test(
    chosen: Callable[[str, bool], tuple[Path, list[dict[str, float]]]],
) -> None:
    folder, lines = chosen("teacher", True)
    values = [line["test_ap"] for line in lines]
    worse = [index for index in range(1, 6) if values[index] <= max(values[:index])]
    assert worse, "every epoch was better than those before it, so this test shows nothing"
    best = load_checkpoint(folder / "best.safetensors")
    assert best.header.selection == {"teacher": "test"}
    report = measure_checkpoint(
        folder / "best.safetensors", "teacher", load_dataset("synthetic:tiny"), is_foreign=False
    )
    assert report.percent("frame_ap", head="alignment") == pytest.approx(100 * max(values))
    assert report.selection == "test"
    # The state that the next epoch would start from is that of the best epoch, not of the last.
    state = load_file(folder / "state.safetensors")
    kept = load_file(folder / "best.safetensors")
    shared = [name for name in kept if f"current/{name.removeprefix('teacher/')}" in state]
    assert len(shared) > 10
    assert all(torch.equal(kept[name], state[f"current/{name.removeprefix('teacher/')}"]) for name in shared)


def test_without_the_option_the_test_split_is_not_looked_at(
    chosen: Callable[[str, bool], tuple[Path, list[dict[str, float]]]],
) -> None:
    folder, lines = chosen("teacher", False)
    assert all("test_ap" not in line for line in lines)
    assert load_checkpoint(folder / "best.safetensors").header.selection == {"teacher": "validation"}
    assert chosen("teacher", True)[0] != folder


def test_compared_systems_are_chosen_on_test_but_go_on_from_their_last_epoch() -> None:
    dataset = load_synthetic("tiny")
    assert {kind: select_on_test(dataset, kind).puts_back for kind in ("teacher", "visual student", "hl-net")} == {
        "teacher": True,
        "visual student": True,
        "hl-net": False,
    }
