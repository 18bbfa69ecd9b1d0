"""The notebooks run from top to bottom, in a folder of their own, and are stored without outputs."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

REPOSITORY = Path(__file__).parents[1]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
CELL_SECONDS = 240  # on a busy machine; about 10 for a whole notebook on a quiet one

PRINTED = {
    "1_detect": "highest score 0.39, threshold 0.50",
    "2_own_footage": "Better than chance: not shown",
    "3_network": "torch.Size([4, 60]) torch.Size([4, 60, 3])",
    "4_compare_systems": "linear probe     frame AP",
    "5_plug_in": "attention-mil: frame AP",
}
"""What each prints among other things."""


def test_every_notebook_is_run() -> None:
    assert [path.stem for path in NOTEBOOKS] == list(PRINTED)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "repository" / "notebooks"  # what they read lies beside it, and pip builds there
    folder.mkdir(parents=True)
    shutil.copytree(REPOSITORY / "examples", folder.parent / "examples")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where notebooks write
    notebook = nbformat.read(path, as_version=4)
    assert [cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.outputs] == []
    NotebookClient(notebook, timeout=CELL_SECONDS, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert PRINTED[path.stem] in "".join(output.text for output in outputs if output.output_type == "stream")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_linked_from_the_documentation(path: Path) -> None:
    assert f"notebooks/{path.name}" in (REPOSITORY / "docs" / "from-python.md").read_text()
