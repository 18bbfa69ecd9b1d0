"""The notebooks run from top to bottom, in a folder of their own, and are stored without outputs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient

REPOSITORY = Path(__file__).parents[1]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
CELL_SECONDS = 240  # on a busy machine; about 10 for a whole notebook on a quiet one

PRINTED = {
    "1_detect": "highest score 0.26, threshold 0.50",
    "2_own_footage": "Better than chance: not shown",
    "3_network": "torch.Size([4, 60]) torch.Size([4, 60, 3])",
    "4_compare_systems": "linear probe     frame AP",
    "5_plug_in": "attention-mil: frame AP",
}
"""What each prints among other things."""


def test_every_notebook_is_run() -> None:
    assert [path.stem for path in NOTEBOOKS] == list(PRINTED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebooks run; what they read lies beside it, and pip builds there."""
    folder = tmp_path_factory.mktemp("repository") / "notebooks"
    folder.mkdir()
    shutil.copytree(REPOSITORY / "examples", folder.parent / "examples")
    return folder


@pytest.fixture(scope="module")
def kernel(folder: Path) -> Iterator[AsyncKernelManager]:
    """One interpreter for all notebooks: each would import PyTorch anew."""
    manager = AsyncKernelManager(kernel_name="python3")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MPLBACKEND", "agg")
        environment.setenv("TMPDIR", str(folder.parent))  # where notebooks write
        run_sync(manager.start_kernel)(cwd=str(folder))
    yield manager
    run_sync(manager.shutdown_kernel)(now=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, kernel: AsyncKernelManager) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert [cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.outputs] == []
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))  # no name of the notebook before
    NotebookClient(notebook, km=kernel, timeout=CELL_SECONDS).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert PRINTED[path.stem] in "".join(output.text for output in outputs if output.output_type == "stream")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_linked_from_the_documentation(path: Path) -> None:
    assert f"notebooks/{path.name}" in (REPOSITORY / "docs" / "from-python.md").read_text()
