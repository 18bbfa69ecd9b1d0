import importlib
import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from avadclip.apps.cli.main import app

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), *sorted(REPOSITORY.glob("*.md"))]


def dotted_names(page: str) -> list[str]:
    return sorted(set(re.findall(r"`(avadclip\.[\w.]+)", (DOCS / page).read_text())))


@pytest.mark.parametrize(
    "page", ["how-it-works.md", "detect.md", "evaluation.md", "features.md", "report.md", "live.md"]
)
def test_every_name_on_the_page_exists(page: str) -> None:
    names = dotted_names(page)
    assert names
    for name in names:
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            try:
                found: object = importlib.import_module(".".join(parts[:length]))
            except ModuleNotFoundError:
                continue
            for part in parts[length:]:
                found = getattr(found, part)
            break


PAGES_OF_OPTIONS = {
    "benchmark": "benchmarks.md",
    "detect": "detect.md",
    "extract": "features.md",
    "report": "report.md",
    "serve": "service.md",
    "watch": "live.md",
}


@pytest.mark.parametrize("command", PAGES_OF_OPTIONS)
def test_every_option_is_documented(command: str) -> None:
    page = (DOCS / PAGES_OF_OPTIONS[command]).read_text()
    table = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `--")]
    documented = {option for cell in table for option in re.findall(r"`(--[\w-]+)`", cell)}
    parameters = get_command(app).commands[command].params
    real = {option for each in parameters for option in (*each.opts, *each.secondary_opts) if option.startswith("--")}
    assert documented == real - {"--help"}


def test_every_command_is_listed() -> None:
    page = (DOCS / "commands.md").read_text()
    table = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    listed = {name.split()[0] for cell in table for name in re.findall(r"`([^`]+)`", cell)}
    assert set(get_command(app).commands) <= listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_modules_that_pages_name_exist(page: Path) -> None:
    roots = (REPOSITORY, REPOSITORY / "src" / "avadclip")
    named = set(re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:py|md|toml))`", page.read_text()))
    assert [name for name in sorted(named) if not any((root / name).is_file() for root in roots)] == []


def test_the_site_loads_nothing_from_elsewhere() -> None:
    configuration = (REPOSITORY / "mkdocs.yml").read_text()
    assert "font: false" in configuration
    assert "http" not in configuration
    for picture in DOCS.glob("images/*.svg"):
        assert re.findall(r'(?:href|src)="http|@import|url\(http', picture.read_text()) == []


def test_the_addresses_of_the_project_stand_in_one_place() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert {"Repository", "Security"} <= project["urls"].keys()
    own = [project["urls"][name].removeprefix("mailto:") for name in ("Repository", "Security")]
    others = [
        *PAGES,
        *sorted(REPOSITORY.glob(".github/**/*.*")),
        REPOSITORY / "CITATION.cff",
        REPOSITORY / "mkdocs.yml",
    ]
    named = [(path.name, address) for path in others for address in own if address in path.read_text()]
    assert named == []


def test_every_action_of_the_workflows_is_pinned_by_commit() -> None:
    uses = [
        line.partition("uses: ")[2]
        for path in sorted(REPOSITORY.glob(".github/workflows/*.yml"))
        for line in path.read_text().splitlines()
        if "uses: " in line
    ]
    assert uses
    assert [use for use in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}  # v[\d.]+", use)] == []
