"""Look at the installed wheel: every file of the package is in it, and nothing else; prints its version."""

import importlib.metadata
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PLACES = {"src/avadclip": "avadclip", "configs": "avadclip/recipes"}
"""Folders of the repository, and where the wheel has them."""


def main() -> None:
    """Compare what git tracks with what the wheel says it installed."""
    distribution = importlib.metadata.distribution("avadclip")
    installed = {str(file) for file in distribution.files or () if file.parts[0] == "avadclip"}
    expected = {place + path.removeprefix(source) for source, place in PLACES.items() for path in _tracked(source)}
    installed = {path for path in installed if not path.endswith(".pyc")}
    missing, extra = sorted(expected - installed), sorted(installed - expected)
    if missing or extra:
        raise SystemExit(f"the wheel lacks {missing}, and has besides {extra}")
    print(distribution.version)


def _tracked(folder: str) -> list[str]:
    listed = subprocess.run(
        ["git", "-C", REPOSITORY, "ls-files", "-z", folder], check=True, capture_output=True, text=True
    ).stdout
    return listed.split("\0")[:-1]


if __name__ == "__main__":
    main()
