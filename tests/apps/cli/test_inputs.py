from pathlib import Path

import pytest

from avadclip.apps.cli.inputs import expand_inputs


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.mp4", "a.MKV", "notes.txt", ".hidden.mp4", "deep/c.avi", ".trash/d.mp4", "[x].mp4", "record.bin"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*arguments: str) -> list[str]:
    inputs = expand_inputs(arguments)
    assert inputs.problems == []
    return [str(path) for path in inputs.videos]


def test_a_folder_gives_its_videos_sorted_and_below(tree: Path) -> None:
    assert names(".") == ["[x].mp4", "a.MKV", "b.mp4", "deep/c.avi"]


@pytest.mark.parametrize("url", ["rtsp://me:secret@camera/stream", "ftp://host/a.mp4", "file:///a.mp4", "s3://b/*.mp4"])
def test_other_urls_are_a_problem_that_names_them_whole(tree: Path, url: str) -> None:
    videos, (problem,), _ = expand_inputs([url])
    assert videos == []
    assert problem.startswith(f"{url.replace('me:secret', '***')}: only http and https URLs are downloaded")


def test_a_named_file_is_always_tried(tree: Path) -> None:
    assert names("notes.txt", ".hidden.mp4", "missing.mp4") == ["notes.txt", ".hidden.mp4", "missing.mp4"]


def test_a_pattern_works_where_the_shell_left_it_alone(tree: Path) -> None:
    assert names("*.mp4") == ["[x].mp4", "b.mp4"]
    assert names("**/*.avi") == ["deep/c.avi"]
    assert names("*") == ["[x].mp4", "a.MKV", "b.mp4", "deep/c.avi"]
    assert names("*.bin") == ["record.bin"]
    assert names(f"{tree}/b.*") == [f"{tree}/b.mp4"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tree: Path) -> None:
    assert names("[x].mp4") == ["[x].mp4"]


def test_a_video_named_twice_is_taken_once_where_it_came_first(tree: Path) -> None:
    (tree / "link.mp4").symlink_to(tree / "b.mp4")
    assert names("b.mp4", "./a.MKV", "deep/../b.mp4", "link.mp4", "*.MKV") == ["b.mp4", "a.MKV"]


def test_nothing_found_is_a_problem_that_names_it(tree: Path) -> None:
    (tree / "empty").mkdir()
    inputs = expand_inputs(["empty", "b.mp4", "*.webm"])
    assert [str(path) for path in inputs.videos] == ["b.mp4"]
    assert ["empty" in inputs.problems[0], "*.webm" in inputs.problems[1]] == [True, True]
    assert inputs.num_named == 3


def test_a_folder_that_may_not_be_read_is_a_problem(tree: Path, unprivileged: None) -> None:
    closed = tree / "closed"
    closed.mkdir(mode=0)
    inputs = expand_inputs(["closed"])
    closed.chmod(0o700)
    assert inputs.videos == []
    assert "closed" in inputs.problems[0]
