from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cache(tmp_path: Path, empty_caches: None) -> Path:
    """A cache folder with an entry of every kind, 1 MB each."""
    folder = tmp_path / "user-cache" / "avadclip"
    for name in ("yamnet-60/model.onnx", "lite.onnx", "precision-ab.json", "downloads.json", ".clip.lock"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1_000_000))
    return folder


def left(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir()} - {".clip.lock"}


def test_show_lists_what_is_there_by_kind(avadclip_command: Command, cache: Path) -> None:
    code, out, err = avadclip_command("cache", "show")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"4.0 MB  {cache}"
    kinds = [line.partition(":")[0] for line in lines[1:] if not line.startswith(" ")]
    assert kinds == ["weights", "graphs", "measurements", "records"]
    entries = [line.split() for line in lines if line.startswith(" ")]
    assert entries == [
        ["1.0", "MB", name] for name in ("yamnet-60", "lite.onnx", "precision-ab.json", "downloads.json")
    ]


def test_an_empty_cache_is_no_error(avadclip_command: Command, tmp_path: Path, empty_caches: None) -> None:
    folder = tmp_path / "user-cache" / "avadclip"
    assert avadclip_command("cache", "show") == (0, f"0.0 MB  {folder}\n", "")
    assert avadclip_command("cache", "clear") == (0, "", "")


def test_clear_deletes_all_but_the_records_and_names_it(avadclip_command: Command, cache: Path) -> None:
    code, out, err = avadclip_command("cache", "clear")
    assert (code, err) == (0, "")
    assert [line.split()[-1] for line in out.splitlines()] == [
        str(cache / name) for name in ("lite.onnx", "precision-ab.json", "yamnet-60")
    ]
    assert left(cache) == {"downloads.json"}
    assert (cache / ".clip.lock").exists()


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("graphs", {"yamnet-60", "precision-ab.json", "downloads.json"}),
        ("yamnet-60", {"lite.onnx", "precision-ab.json", "downloads.json"}),
        ("records", {"lite.onnx", "precision-ab.json", "yamnet-60"}),
    ],
)
def test_clear_of_a_name_deletes_nothing_else(
    avadclip_command: Command, cache: Path, name: str, kept: set[str]
) -> None:
    assert avadclip_command("cache", "clear", name)[0] == 0
    assert left(cache) == kept


@pytest.mark.parametrize("name", ["graph", "..", "../avadclip", ".clip.lock", ""])
def test_clear_of_what_is_not_there_deletes_nothing(avadclip_command: Command, cache: Path, name: str) -> None:
    code, out, err = avadclip_command("cache", "clear", "graphs", name)
    assert (code, out) == (2, "")
    assert "not in the cache" in err
    assert len(left(cache)) == 4
