"""`import avadclip`: what it offers, how it loads, and the page that shows it."""

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import avadclip
import avadclip.testing

REPOSITORY = Path(__file__).parents[1]
SNAPSHOT = Path(__file__).with_name("public_interface.txt")


def describe(name: str) -> list[str]:
    """A name with its signature; of a class also its public methods and properties."""
    value = getattr(avadclip, name)
    if not callable(value):
        return [name]
    lines = [f"{name}{signature(value)}"]
    if inspect.isclass(value):
        for member, attribute in sorted(vars(value).items()):
            if member.startswith("_") and member not in {"__call__"}:
                continue
            if isinstance(attribute, property):
                lines.append(f"    {member} (property)")
            elif inspect.isfunction(attribute) or isinstance(attribute, classmethod | staticmethod):
                lines.append(f"    {member}{signature(getattr(value, member))}")
    return lines


def signature(value: Callable[..., object]) -> str:
    """Arrays are written as `NDArray[float32]`: what that stands for differs between versions of NumPy."""
    return re.sub(
        r"numpy\.ndarray\[tuple\[.+?\], numpy\.dtype\[numpy\.(\w+)\]\]", r"NDArray[\1]", str(inspect.signature(value))
    )


def test_the_public_interface_is_that_of_the_snapshot() -> None:
    """To change it on purpose: AVADCLIP_WRITE_INTERFACE=1 pytest tests/test_front_door.py, and a line in CHANGELOG."""
    found = "\n".join(line for name in sorted(avadclip.__all__) for line in describe(name)) + "\n"
    if os.environ.get("AVADCLIP_WRITE_INTERFACE") == "1":
        SNAPSHOT.write_text(found)
    assert found == SNAPSHOT.read_text()


def test_every_name_of_the_interface_is_in_the_api_reference() -> None:
    page = (REPOSITORY / "docs" / "api.md").read_text()
    documented = {match.rpartition(".")[2] for match in re.findall(r"^::: (\S+)$", page, flags=re.MULTILINE)}
    assert documented == {*avadclip.__all__, *avadclip.testing.__all__} - {"__version__"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'avadclip' has no attribute 'load_detecter'"):
        avadclip.load_detecter  # noqa: B018
    assert set(avadclip.__all__) <= set(dir(avadclip))


def test_importing_the_package_loads_no_large_library() -> None:
    program = "import sys, avadclip; print(sorted({'torch', 'numpy', 'av', 'pydantic'} & sys.modules.keys()))"
    assert python("-c", program) == "[]\n"


def test_the_old_place_of_load_detector_works_with_a_warning() -> None:
    program = (
        "import avadclip; from avadclip.detection import load_detector as old; print(old is avadclip.load_detector)"
    )
    assert python("-W", "ignore", "-c", program) == "True\n"
    with pytest.raises(subprocess.CalledProcessError) as refused:
        python("-W", "error", "-c", program)
    assert "DeprecationWarning: avadclip.detection is deprecated" in refused.value.stderr


def test_the_page_from_python_runs_in_a_fresh_interpreter(sample_videos: tuple[Path, Path], tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "from-python.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 8
    (tmp_path / "lobby.mp4").symlink_to(sample_videos[0])
    (tmp_path / "page.py").write_text("\n".join(blocks))
    printed = python("page.py", cwd=tmp_path)
    assert "torch.Size([4, 60])" in printed
    assert "torch.Size([4, 60, 3])" in printed
    assert "('normal', 'fighting')" in printed
    assert "teacher validation" in printed


def python(*arguments: str, cwd: Path | None = None) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=240).stdout
