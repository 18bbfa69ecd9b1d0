import pytest
import torch

from avadclip.baselines.build import SYSTEMS as COMPARED
from avadclip.inference.networks import build_from_recipe
from avadclip.research.reproduce.plans import FIGURE_4, SYSTEMS, TABLES, TEACHER, Run, jobs_of
from avadclip.research.reproduce.printed import PRINTED
from avadclip.research.reproduce.recipes import recipe_of_run, recipes_of, shipped_recipes

RUNS = list(dict.fromkeys([*(job.run for job in jobs_of(list(TABLES.values()))), *FIGURE_4]))
OWN = [run for run in RUNS if run.recipe is not None and not run.recipe.startswith("baselines/")]


@pytest.mark.parametrize("key", PRINTED)
def test_every_printed_number_has_a_row_and_a_column(key: str) -> None:
    plan = TABLES[key]
    rows, columns = [row.label for row in plan.rows], [column.title for column in plan.columns]
    assert len(set(rows)) == len(rows)
    for label, numbers in PRINTED[key].items():
        assert label in rows
        assert set(numbers) <= set(columns)
    assert TABLES.keys() == PRINTED.keys()


@pytest.mark.parametrize("key", PRINTED)
def test_rows_that_the_paper_lacks_have_a_remark(key: str) -> None:
    for row in TABLES[key].rows:
        is_remarked = "not a row of the paper" in row.remark or row.remark.startswith("printed in Table")
        assert (row.label not in PRINTED[key]) == is_remarked


def test_printed_averages_are_those_of_their_rows() -> None:
    for numbers in PRINTED["2"].values():
        of_ious = [numbers[f"mAP@.{tenth}"] for tenth in range(1, 6)]
        assert sum(of_ious) / 5 == pytest.approx(numbers["AVG"], abs=0.0101)  # of rounded numbers, and rounded


def test_names_of_runs_are_unique() -> None:
    assert len({run.name for run in RUNS}) == len(RUNS)


def test_tables_share_the_full_teacher() -> None:
    shared = [row.label for plan in TABLES.values() for row in plan.rows if row.job == (TEACHER, "first")]
    assert shared == ["AVadCLIP"] * 3 + [
        "fusion, prompt, focal",
        "adaptive",
        "picture and sound",
        "trained on the first, tested on the first",
    ]


def test_table_1_has_every_compared_system() -> None:
    recipes = {row.job.run.recipe for row in TABLES["1"].rows}
    assert {f"baselines/{name}" for name in COMPARED} <= recipes
    assert len(SYSTEMS) == 12 + 2  # VadCLIP is the visual student without its additions; AVadCLIP has two rows


@pytest.mark.parametrize("dataset", ["xd-violence:/data", "cctv-fights:/data", "composed:small:/data", "synthetic"])
@pytest.mark.parametrize("run", OWN, ids=lambda run: run.name)
def test_every_run_of_our_own_has_a_readable_recipe(run: Run, dataset: str) -> None:
    config = recipe_of_run(run, recipes_of(dataset))
    assert (config.distillation.kind == "none") == (run.teacher is None)
    assert (config.network.variant == "released") == run.name.startswith("released")


@pytest.mark.parametrize(("label", "parts"), [
    ("none", ("none", False, False)),
    ("fusion", ("adaptive", False, False)),
    ("fusion, prompt", ("adaptive", True, False)),
    ("fusion, prompt, focal", ("adaptive", True, True)),
    ("all but fusion", ("none", True, True)),
    ("all but prompt", ("adaptive", False, True)),
])  # fmt: skip
def test_table_4_switches_off_the_parts_of_its_rows(label: str, parts: tuple[str, bool, bool]) -> None:
    run = next(row.job.run for row in TABLES["4"].rows if row.label == label)
    config = recipe_of_run(run, recipes_of("xd-violence"))
    assert (config.network.fusion, config.network.audio_visual_prompt, config.loss.focal) == parts


def test_table_5_changes_nothing_but_the_fusion() -> None:
    full = recipe_of_run(TEACHER, recipes_of("xd-violence"))
    kinds = []
    for row in (row for row in TABLES["5"].rows if row.label in PRINTED["5"]):
        config = recipe_of_run(row.job.run, recipes_of("xd-violence"))
        kinds.append(config.network.fusion)
        network = config.network.model_copy(update={"fusion": "adaptive"})
        assert config.model_copy(update={"network": network}) == full
    assert kinds == ["cross-attention", "add", "concat", "adaptive"]


@pytest.mark.parametrize(("dataset", "weight"), [("xd-violence", 1e-8), ("cctv-fights", 1e-7)])
def test_released_student_has_the_authors_distillation_weight(dataset: str, weight: float) -> None:
    run = next(run for run in RUNS if run.name == "released-visual-student")
    assert recipe_of_run(run, recipes_of(dataset)).distillation.weight == weight


def test_teacher_recipe_has_the_papers_numbers() -> None:
    optimizer = recipe_of_run(TEACHER, recipes_of("xd-violence")).optimizer
    assert (optimizer.learning_rate, optimizer.batch_size, optimizer.epochs) == (1e-5, 96, 10)
    assert optimizer.milestones == (3, 6)


@pytest.mark.parametrize(("dataset", "epochs"), [("synthetic", 10), ("composed:small:/data", 20)])
def test_system_recipes_can_be_read_and_are_shorter_on_small_data(dataset: str, epochs: int) -> None:
    for run in SYSTEMS.values():
        if run in OWN:
            continue
        assert (shipped_recipes() / f"{run.recipe}.toml").is_file()
        own, short = recipe_of_run(run, recipes_of("xd-violence")), recipe_of_run(run, recipes_of(dataset))
        assert own.network_kind == short.network_kind == run.name
        with torch.device("meta"):  # raises where a recipe has a table that its network does not read
            for config in (own, short):
                build_from_recipe(config, visual_dim=4, audio_dim=3, classes=("normal", "riot"))
        assert (short.optimizer.epochs, short.optimizer.learning_rate) == (epochs, own.optimizer.learning_rate)
