"""A plain installation: optional parts name their extra in one line, all else works."""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from avadclip.extras import EXTRAS

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "src" / "avadclip"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
COMES_WITH = {"pydantic_core": "pydantic", "starlette": "fastapi", "anyio": "fastapi"}

# Where `require_extra` comes first: in the folder's __init__.py, or before the file is imported.
PLACES = {
    "train": "training/",
    "serve": "apps/service/",
    "ray": "apps/archive/",
    "live": "apps/live/sinks/",
    "export": "report/timeline_file.py",
    "bench": "research/speed/",
}

# In one process: commands with the extras' libraries not to be found, as after `pip install avadclip`.
RUNNER = """
import contextlib, importlib.machinery, io, json, sys
from avadclip.extras import EXTRAS

hidden = {module for part in EXTRAS.values() for module in part.modules}

class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in hidden else super().find_spec(name, path, target)

sys.meta_path = [Finder if finder is importlib.machinery.PathFinder else finder for finder in sys.meta_path]
from avadclip.apps.cli.main import run

for command in json.load(sys.stdin):
    sys.argv, errors = ["avadclip", *command], io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        try:
            run()
        except SystemExit as stop:
            print(json.dumps([stop.code, errors.getvalue()]), file=sys.__stdout__)
"""

NEEDS = [
    ("train", ["train", "recipe.toml", "--out", "run"]),
    ("train", ["distill", "recipe.toml", "--teacher", "starter", "--out", "run"]),
    ("train", ["train", "recipe.toml", "--out", "run", "--devices", "2"]),
    ("train", ["reproduce", "5", "--data", "synthetic", "--out", "tables"]),
    ("serve", ["serve"]),
    ("serve", ["watch", "--config", "store.toml"]),
    ("live", ["watch", "--config", "mqtt.toml"]),
    ("live", ["watch", "--config", "webhook.toml"]),
    ("live", ["watch", "--config", "notice.toml"]),
    ("ray", ["detect", "no.mp4", "--ray", "local", "--out", "found"]),
    ("ray", ["extract", "no.mp4", "--ray", "local", "--out", "features"]),
    ("export", ["detect", "no.mp4", "--report", "pages", "--also", "opentimelineio"]),
    ("bench", ["benchmark"]),
]
NEED_NONE = [
    (1, ["detect", "no.mp4"]),
    (1, ["extract", "no.mp4", "--out", "features"]),
    (1, ["watch", "no.mp4"]),
    (1, ["report", "no.json", "--out", "pages"]),
    (1, ["evaluate", "no.safetensors", "--data", "synthetic:small"]),
    (1, ["robustness", "no.safetensors", "--data", "synthetic:small", "--out", "table"]),
    (1, ["calibrate", "starter", "--normal", "no", "--false-alarms-per-hour", "1", "--out", "new.safetensors"]),
    (2, ["data", "check", "no.csv"]),
    (0, ["weights", "list"]),
    (0, ["weights", "show"]),
]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    """Exit code and stderr of all commands without the extras."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "recipe.toml").write_text((REPOSITORY / "configs" / "synthetic" / "teacher.toml").read_text())
    camera = '[cameras.yard]\nsource = "rtsp://127.0.0.1:9/"\n'
    (folder / "store.toml").write_text(f'state = "state"\n[store]\n{camera}')
    (folder / "mqtt.toml").write_text(f'state = "state"\n[mqtt]\nhost = "localhost"\n{camera}')
    webhook = f'[webhook]\nurl = "https://localhost"\nsecret = "whsec_{"A" * 32}"\n'
    (folder / "webhook.toml").write_text(f'state = "state"\n{webhook}{camera}')
    notice = '[[notice]]\nname = "phone"\nurl = "ntfy://topic"\n'
    (folder / "notice.toml").write_text(f'state = "state"\n{notice}{camera}')
    commands = json.dumps([command for _, command in (*NEEDS, *NEED_NONE)])
    done = subprocess.run(
        [sys.executable, "-c", RUNNER], input=commands, cwd=folder, capture_output=True, text=True, check=True
    )
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("number", range(len(NEEDS)), ids=lambda number: " ".join(NEEDS[number][1]))
def test_a_part_without_its_extra_names_it_in_one_line(outcomes: list[tuple[int, str]], number: int) -> None:
    extra, _ = NEEDS[number]
    code, errors = outcomes[number]
    assert (code, errors.count("\n")) == (1, 1), errors
    assert f"needs {', '.join(EXTRAS[extra].modules)}, not installed; run `pip install 'avadclip[{extra}]'`" in errors


@pytest.mark.parametrize("number", range(len(NEED_NONE)), ids=lambda number: " ".join(NEED_NONE[number][1]))
def test_all_else_works_without_extras(outcomes: list[tuple[int, str]], number: int) -> None:
    code, errors = outcomes[len(NEEDS) + number]
    assert code == NEED_NONE[number][0], errors
    assert "pip install" not in errors
    assert "Traceback" not in errors


def imports() -> Iterator[tuple[str, str]]:
    """Every library that is imported anywhere, with the file that does."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [str(node.module)]
            for name in names:
                library = name.partition(".")[0]
                if library != "avadclip" and library not in sys.stdlib_module_names:
                    yield library, path.relative_to(PACKAGE).as_posix()


def distributions(requirements: list[str]) -> set[str]:
    """Names of the distributions; of an extra of this package, those behind it."""
    found = set()
    for requirement in map(Requirement, requirements):
        if requirement.name == PROJECT["name"]:
            for extra in requirement.extras:
                found |= distributions(PROJECT["optional-dependencies"][extra])
        else:
            found.add(canonicalize_name(requirement.name))
    return found


def test_every_import_is_of_a_dependency_or_of_an_extra_in_its_place() -> None:
    always = distributions(PROJECT["dependencies"])
    installed = packages_distributions()
    wrong = set()
    for library, file in imports():
        name = COMES_WITH.get(library, library)
        if always & set(map(canonicalize_name, installed.get(name, []))):
            continue
        if not any(name in part.modules and file.startswith(PLACES[extra]) for extra, part in EXTRAS.items()):
            wrong.add((library, file))
    assert wrong == set()


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_libraries_of_an_extra_are_those_that_pip_installs(extra: str) -> None:
    installed = packages_distributions()
    found = {canonicalize_name(installed[module][0]) for module in EXTRAS[extra].modules}
    assert found == distributions(PROJECT["optional-dependencies"][extra])
