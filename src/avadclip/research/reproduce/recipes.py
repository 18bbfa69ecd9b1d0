"""Recipes by name: the files of configs/, which an installed package carries along as avadclip/recipes/."""

from importlib import resources
from pathlib import Path
from typing import Any

from avadclip.config import TrainingConfig, parse_config, read_toml
from avadclip.research.reproduce.plans import Run

PACKAGED = Path(str(resources.files("avadclip"))) / "recipes"  # where the wheel has configs/
CHECKOUT = Path(__file__).parents[4] / "configs"
COMPARISON = "comparison"  # laid over the recipes of comparison systems, where a dataset has it
SYSTEMS = "baselines/"

FOLDERS = {"cctv-fights": "cctv", "composed": "composed", "synthetic": "synthetic/quick"}
OTHERWISE = "xd"  # the paper's own

Values = dict[str, Any]


def shipped_recipes() -> Path:
    """The folder of all recipes, of the installed package or of the checkout it runs from."""
    return PACKAGED if PACKAGED.is_dir() else CHECKOUT


def recipes_of(dataset: str) -> Path:
    """The folder of recipes for a dataset's specification, as `--data` has it."""
    return shipped_recipes() / FOLDERS.get(dataset.partition(":")[0], OTHERWISE)


def recipe_of_run(run: Run, folder: Path, **given: object) -> TrainingConfig:
    """The recipe of a run with its changes.

    Args:
        run: with a recipe.
        folder: with the recipes of the run's dataset.
        given: further values for the top level: seed, data, encoders.

    Raises:
        ConfigError: the recipe is missing, or holds something unusable.
    """
    assert run.recipe is not None
    is_system = run.recipe.startswith(SYSTEMS) or Path(run.recipe).is_absolute()
    file = (shipped_recipes() if is_system else folder) / f"{run.recipe}.toml"
    values = read_toml(file)
    if is_system and (folder / f"{COMPARISON}.toml").is_file():
        values = _laid_over(values, read_toml(folder / f"{COMPARISON}.toml"))
    for key, value in run.changes:
        values = _laid_over(values, _nested(key, value))
    return parse_config(_laid_over(values, given), TrainingConfig, origin=f"{file} ({run.name})")


def _laid_over(values: Values, upper: Values) -> Values:
    """Tables are joined, everything else is replaced."""
    joined = dict(values)
    for key, value in upper.items():
        both = isinstance(value, dict) and isinstance(joined.get(key), dict)
        joined[key] = _laid_over(joined[key], value) if both else value
    return joined


def _nested(key: str, value: object) -> Values:
    """`a.b` and 1 to {a: {b: 1}}."""
    first, _, rest = key.partition(".")
    return {first: _nested(rest, value) if rest else value}
