from pathlib import Path

import numpy as np
import pytest

from avadclip.data.bags import Bag
from avadclip.data.damaged_videos import find_videos
from avadclip.errors import DataError
from avadclip.features.snippets import SnippetFeatures

HELD = SnippetFeatures(np.zeros((1, 3, 2), np.float32), None, 2.0, provenance=None)


def find(names: list[str], folder: Path) -> list[str]:
    bags = [Bag(name, name, HELD, np.array([1, 0], dtype=np.float32)) for name in names]
    return [path.relative_to(folder).as_posix() for path in find_videos(bags, folder)]


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_video_is_found_by_path_or_by_a_name_that_only_one_has(tmp_path: Path) -> None:
    dotted = "Bad.Boys.1995__#00-26-51_00-27-53_label_B2-0-0"
    put(tmp_path, "day/a.mp4", "night/a.mp4", "deep/er/b.mkv", f"xd/{dotted}.mp4", "deep/b.txt")
    found = find(["night/a.mp4", "b.mp4", "b", dotted, f"{dotted}.mp4"], tmp_path)
    assert found == ["night/a.mp4", "deep/er/b.mkv", "deep/er/b.mkv", f"xd/{dotted}.mp4", f"xd/{dotted}.mp4"]


def test_a_video_that_is_missing_or_could_be_two_is_one_line(tmp_path: Path) -> None:
    put(tmp_path, "day/a.mp4", "night/a.mp4")
    with pytest.raises(DataError, match=r"has no unique video yard; give the folder"):
        find(["yard"], tmp_path)
    with pytest.raises(DataError, match=r"has no unique video a; .*day/a.mp4 and .*night/a.mp4 both match") as refused:
        find(["a"], tmp_path)
    assert "\n" not in str(refused.value)


def test_a_video_named_by_another_system_is_found(tmp_path: Path) -> None:
    put(tmp_path, "day/a.mp4", "night/a.mp4", "deep/er/b.mkv")
    assert find(["Night\\A.MP4", "C:\\x\\B.mkv"], tmp_path) == ["night/a.mp4", "deep/er/b.mkv"]
