from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)

RECIPE = """
network_kind = "{kind}"

[network]
embed_dim = 8

[optimizer]
learning_rate = {learning_rate}
batch_size = 20
epochs = {epochs}
milestones = []

[distillation]
kind = "{distillation}"
"""


def write_recipes(folder: Path, *, epochs: int = 1, learning_rate: float = 1e-3) -> Path:
    """The teacher and both students, as small as they get."""
    folder.mkdir(exist_ok=True)
    for kind in ("teacher", "visual student", "audio student"):
        distillation = "none" if kind == "teacher" else "uncertainty"
        text = RECIPE.format(kind=kind, epochs=epochs, learning_rate=learning_rate, distillation=distillation)
        (folder / f"{kind.replace(' ', '_')}.toml").write_text(text)
    return folder


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    return write_recipes(tmp_path / "recipes")
