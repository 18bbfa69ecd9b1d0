"""Sharing a model on the Hugging Face hub: a checkpoint with its card, or an exported folder."""

from pathlib import Path

from avadclip.encoders.downloads.hub_models import (
    MANIFEST,
    WEIGHTS,
    HubAddress,
    push_files,
    read_address,
)
from avadclip.errors import WeightsError
from avadclip.inference.checkpoint import read_card

SHARED_NAME = "model.safetensors"  # of a checkpoint in its repository
SUFFIXES = (".onnx", WEIGHTS)  # of an exported folder, beside its manifest
# Read by the hub: which library opens the repository, and what finds it.
FRONT_MATTER = "---\nlibrary_name: avadclip\ntags:\n- video-anomaly-detection\n---\n\n"


def push_model(source: Path, address: str) -> HubAddress:
    """Make a repository of the hub hold a model.

    Args:
        source: a checkpoint, or an exported folder.
        address: `hf://owner/name`, with `@branch` for another branch than `main`.

    Returns:
        The address of the commit, by which `load_detector` finds just this model.

    Raises:
        CheckpointError: the file is no checkpoint.
        WeightsError: the folder is not an exported one, no address, or the hub refuses.
    """
    target = read_address(address)
    if source.is_dir():
        return push_files(_exported(source), target)
    return push_files({SHARED_NAME: source}, target, card=FRONT_MATTER + read_card(source))


def _exported(folder: Path) -> dict[str, Path | bytes]:
    files = {path.name: path for path in sorted(folder.iterdir())}
    others = [name for name, path in files.items() if not path.is_file() or not _belongs(name)]
    if MANIFEST not in files or others:
        found = f"has {others[0]}" if others else f"has no {MANIFEST}"
        raise WeightsError(f"{folder} is no exported folder: it {found}; needed {MANIFEST}, .onnx and {WEIGHTS} alone")
    return dict(files)


def _belongs(name: str) -> bool:
    return name == MANIFEST or name.endswith(SUFFIXES)
