import os
import stat
from pathlib import Path

import pytest

from avadclip.files import atomic_path, make_private, write_atomically


def test_text_and_bytes_arrive_as_given(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new" / "text.txt", "ä\r\nb\n")
    assert (tmp_path / "new" / "text.txt").read_bytes() == "ä\r\nb\n".encode()
    write_atomically(tmp_path / "new" / "text.txt", b"\x00\xff")
    assert (tmp_path / "new" / "text.txt").read_bytes() == b"\x00\xff"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["text.txt"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_keeps_the_old_file_and_leaves_nothing_else(tmp_path: Path, failure: type[BaseException]) -> None:
    target = tmp_path / "scores.json"
    target.write_text("old")

    def fail_half_way() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(failure):
        fail_half_way()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_result_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "features.safetensors"
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".safetensors"
        assert temporary.name.startswith(".")
    assert target.read_text() == "half"


def test_a_writer_that_replaces_the_temporary_file_is_fine(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.npy") as temporary:
        temporary.unlink()
        temporary.write_text("fresh")
    assert (tmp_path / "a.npy").read_text() == "fresh"


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    write_atomically(tmp_path / "ours", "")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


def test_a_private_folder_is_closed_to_others_with_what_is_its_own(tmp_path: Path) -> None:
    folder, outside = tmp_path / "data", tmp_path / "outside"
    (folder / "uploads").mkdir(parents=True)
    (folder / "uploads" / "yard.mp4").write_text("video")
    outside.write_text("")
    (folder / "uploads" / "link").symlink_to(outside)
    (folder / "notes").write_text("somebody else's")
    paths = [folder, folder / "uploads", folder / "uploads" / "yard.mp4", folder / "notes", outside]
    for path in paths:
        path.chmod(0o777)
    make_private(folder, "uploads", "uploads/**/*")
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o700, 0o700, 0o700, 0o777, 0o777]
    make_private(tmp_path / "deep" / "new")
    assert stat.S_IMODE((tmp_path / "deep" / "new").stat().st_mode) == 0o700


def test_a_very_long_name_still_works(tmp_path: Path) -> None:
    name = "x" * (os.pathconf(tmp_path, "PC_NAME_MAX") - 5) + ".json"
    write_atomically(tmp_path / name, "{}")
    assert (tmp_path / name).read_text() == "{}"
