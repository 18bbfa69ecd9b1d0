"""The layers of docs/architecture.md, kept true by reading the imports."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "src" / "avadclip"

# Bottom to top: a module imports only from rows below its own; files of one folder import each other freely.
ROWS = {
    0: ("errors", "files", "labels", "timeline"),
    1: ("config", "tensor_file"),
    2: ("events", "losses", "media", "nn"),
    3: ("encoders",),
    4: ("baselines", "features", "metrics"),
    5: ("checkpoint", "data", "scoring", "zero_shot"),
    6: ("calibration", "detection", "evaluation", "robustness", "scorers"),
    7: ("archive", "live", "report", "training"),
    8: ("released", "reproduce", "service", "speed"),
    9: ("cli",),
    10: ("__main__",),
}
ROW_OF = {unit: row for row, units in ROWS.items() for unit in units}

# Files of one subject that need no folder, and may import each other like files of one: (importing, imported).
ONE_SUBJECT = {
    ("zero_shot", "scoring"),
    ("detection", "scorers"),
    ("robustness", "evaluation"),
    ("robustness", "scorers"),
}

# Libraries that a unit must do without.
FORBIDDEN = {
    "media": ("torch", "matplotlib", "typer", "rich"),
    "nn": ("av", "matplotlib", "typer", "rich", "safetensors", "huggingface_hub"),
    "losses": ("av", "matplotlib", "typer", "rich"),
    "metrics": ("torch", "av", "matplotlib", "typer", "rich"),
    "events": ("torch", "av"),
    "report": ("torch", "av", "typer", "rich"),
}
NOWHERE = ("torchvision", "torchaudio", "lightning", "transformers", "cv2", "pytest")
ONLY_IN = {"cv2": "speed/reference.py"}  # what the comparison with other ways of reading needs


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def unit_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


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
    unit = unit_of(path)
    broken = []
    for name in imported_names(path):
        library, *inner = name.split(".")
        if library != "avadclip":
            is_its_place = path == PACKAGE / ONLY_IN.get(library, "")
            if library in (*NOWHERE, *FORBIDDEN.get(unit, ())) and not is_its_place:
                broken.append(f"{unit} must do without {library}")
            continue
        imported = inner[0]
        if imported in (unit, "__version__") or (unit, imported) in ONE_SUBJECT:
            continue
        if imported not in ROW_OF:
            broken.append(f"{imported} stands in no row")
        elif ROW_OF[imported] >= ROW_OF[unit]:
            broken.append(f"{unit} (row {ROW_OF[unit]}) imports {imported} (row {ROW_OF[imported]})")
    return broken


def test_every_module_has_a_row() -> None:
    assert {unit_of(path) for path in modules()} - set(ROW_OF) == set()


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    assert broken_rules(path) == []


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("nn/x.py", "from avadclip.encoders import clip"),
        ("nn/x.py", "import avadclip.losses"),
        ("events.py", "from avadclip import media"),
        ("detection.py", "from .report.exports import to_csv"),
        ("media/x.py", "def f():\n    import torch.nn"),
        ("cli/x.py", "import transformers"),
        ("speed/x.py", "import cv2"),
        ("cli/x.py", "from avadclip.utils import helper"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, line: str) -> None:
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(line)
    assert len(broken_rules(path)) == 1


def test_the_architecture_page_shows_the_same_rows() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text()
    shown = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) >= 2 and cells[0].isdigit():
            names = (part.strip(" `/") for part in cells[1].split(","))
            shown[int(cells[0])] = {name.removesuffix(".py") for name in names}
    assert shown == {row: set(units) for row, units in ROWS.items()}
