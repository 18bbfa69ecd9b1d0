"""The layers of docs/architecture.md, kept true by reading the imports."""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "src" / "avadclip"

# Bottom to top: a module imports only from rows below its own; files of one folder import each other freely.
ROWS = {
    0: ("errors", "files", "labels", "timeline"),
    1: ("config", "events", "extras", "plugins", "tensor_file"),
    2: ("media", "model"),
    3: ("encoders",),
    4: ("baselines", "features"),
    5: ("data",),
    6: ("inference",),
    7: ("evaluation",),
    8: ("training",),
    9: ("report",),
    10: ("apps/retention", "research"),
    11: ("apps/archive", "apps/fetch", "apps/live", "apps/own_footage"),
    12: ("apps/service", "testing"),
    13: ("apps/cli",),
    14: ("__main__", "detection"),
}
ROW_OF = {unit: row for row, units in ROWS.items() for unit in units}

# Of a folder; 20 where nothing else stands here. The root has one entry per unit of the table above, and is read by it.
MOST_ENTRIES = {".": 27}
MOST_IN_A_FOLDER = 20

# Libraries that a unit must do without.
FORBIDDEN = {
    "media": ("torch", "matplotlib", "typer", "rich"),
    "model": ("av", "matplotlib", "typer", "rich", "safetensors", "huggingface_hub"),
    "evaluation/metrics": ("torch", "av", "matplotlib", "typer", "rich"),
    "events": ("torch", "av"),
    "report": ("torch", "av", "typer", "rich"),
}
NOWHERE = ("torchvision", "torchaudio", "lightning", "transformers", "cv2", "pytest")
ONLY_IN = {"cv2": "research/speed/reference.py"}  # what the comparison with other ways of reading needs


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def unit_of(parts: Sequence[str]) -> str:
    """The unit that a module belongs to: a folder or file of the package, or a folder of apps/."""
    return "/".join(parts[:2]) if parts[0] == "apps" and len(parts) > 1 else parts[0]


def parts_of(path: Path) -> tuple[str, ...]:
    return path.relative_to(PACKAGE).with_suffix("").parts


def imported_names(path: Path) -> Iterator[str]:
    """Full names of all modules imported anywhere in a file, inside functions too."""
    package = ["avadclip", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def broken_rules(path: Path) -> list[str]:
    unit = unit_of(parts_of(path))
    folder = "/".join(parts_of(path)[:-1])
    broken = []
    for name in imported_names(path):
        library, *inner = name.split(".")
        if library != "avadclip":
            is_its_place = path == PACKAGE / ONLY_IN.get(library, "")
            if library in (*NOWHERE, *FORBIDDEN.get(unit, ()), *FORBIDDEN.get(folder, ())) and not is_its_place:
                broken.append(f"{unit} must do without {library}")
            continue
        imported = unit_of(inner)
        if imported in (unit, "__version__"):
            continue
        if imported not in ROW_OF:
            broken.append(f"{imported} stands in no row")
        elif ROW_OF[imported] >= ROW_OF[unit]:
            broken.append(f"{unit} (row {ROW_OF[unit]}) imports {imported} (row {ROW_OF[imported]})")
    return broken


def test_every_module_has_a_row() -> None:
    units = {unit_of(parts_of(path)) for path in modules() if parts_of(path) != ("apps", "__init__")}
    assert units - set(ROW_OF) == set()


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    assert broken_rules(path) == []


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("model/x.py", "from avadclip.encoders import clip"),
        ("model/x.py", "import avadclip.inference.scoring"),
        ("events.py", "from avadclip import media"),
        ("inference/x.py", "from ..report.exports import to_csv"),
        ("media/x.py", "def f():\n    import torch.nn"),
        ("evaluation/metrics/x.py", "import torch"),
        ("apps/live/x.py", "from avadclip.apps.service import settings"),
        ("apps/cli/x.py", "import transformers"),
        ("research/speed/x.py", "import cv2"),
        ("apps/cli/x.py", "from avadclip.utils import helper"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, line: str) -> None:
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line)
    assert len(broken_rules(path)) == 1


def test_the_architecture_page_shows_the_same_rows() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text()
    shown = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) >= 2 and cells[0].isdigit():
            names = (part.strip(" `").strip("/") for part in cells[1].split(","))
            shown[int(cells[0])] = {name.removesuffix(".py") for name in names}
    assert shown == {row: set(units) for row, units in ROWS.items()}


def test_folders_stay_small_enough_to_read() -> None:
    entries: Counter[str] = Counter()
    for path in PACKAGE.rglob("*"):
        if "__pycache__" not in path.parts:
            entries[str(path.parent.relative_to(PACKAGE))] += 1
    crowded = {folder: num for folder, num in entries.items() if num > MOST_ENTRIES.get(folder, MOST_IN_A_FOLDER)}
    assert crowded == {}


def test_class_names_are_unique_in_the_package() -> None:
    owners: dict[str, list[str]] = {}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                owners.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: paths for name, paths in owners.items() if len(paths) > 1} == {}
