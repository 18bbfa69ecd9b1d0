import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avadclip.data.names import NameIndex, file_name, normal_name, read_names
from avadclip.errors import DataError

STORED = ("yard/\u00fcber 1", "yard/0002", "0003", "Bad.Boys.1995__#00-26-51_00-27-53_label_B2-0-0")


@pytest.mark.parametrize(
    ("video", "found"),
    [
        ("yard/\u00fcber 1.mp4", STORED[0]),
        ("yard\\\u00fcber 1.mp4", STORED[0]),
        ("D:\\Users\\me\\Yard\\\u00dcBER 1.MP4", STORED[0]),
        ("\\\\server\\share\\yard\\0002.avi", STORED[1]),
        ("C:yard/0002.avi", STORED[1]),
        ("yard/u\u0308ber 1.mp4", STORED[0]),  # decomposed, as macOS writes it
        ("\u202ayard/0002.mp4", STORED[1]),  # as Windows copies a path
        ("yard/0002\u200b.mp4", STORED[1]),
        ("\uff59ard/\uff10\uff10\uff10\uff12.mp4", STORED[1]),  # full width
        (".\\0003.mp4", STORED[2]),
        ("../videos/0003.mp4", STORED[2]),
        ("/home/me/0003.mp4", STORED[2]),
        ("videos\\Bad.Boys.1995__#00-26-51_00-27-53_label_B2-0-0.mp4", STORED[3]),
        ("0002.mp4", None),
        ("yard/0004.mp4", None),
    ],
)
def test_a_name_of_another_system_is_found(video: str, found: str | None) -> None:
    assert NameIndex(STORED).find(video) == found


def test_the_same_spelling_goes_first_and_two_others_are_a_question() -> None:
    index = NameIndex(["a", "A", "B", "b"])
    assert [index.find(name) for name in ("a.mp4", "A.mp4")] == ["a", "A"]
    with pytest.raises(DataError, match=r"\u24d1.mp4 may be B or b; write it exactly as one of them"):
        index.find("\u24d1.mp4")


def test_the_nearest_name_is_similar_or_none() -> None:
    index = NameIndex(STORED)
    assert index.nearest("hall/0020.mp4") in {"yard/0002", "0003"}
    assert index.nearest("YARD\\uber1.mp4") == STORED[0]
    assert index.nearest("kitchen.mp4") is None


def test_a_file_name_is_the_last_part_on_every_system() -> None:
    assert {file_name(path) for path in ("C:\\x\\a.mp4", "/x/a.mp4", "x\\a.mp4", "a.mp4")} == {"a.mp4"}


@given(st.text(max_size=30))
def test_composed_and_decomposed_are_one(name: str) -> None:
    assert normal_name(unicodedata.normalize("NFD", name)) == normal_name(unicodedata.normalize("NFC", name))


def test_a_list_of_names_is_read_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "hard.txt").write_text("\ufeffyard/\u00fcber 1.mp4\r\n\n  0002 \n0002\n", encoding="utf-8")
    assert read_names(tmp_path / "hard.txt") == ("yard/\u00fcber 1.mp4", "0002")


@pytest.mark.parametrize(("content", "problem"), [(b"\n \n", "holds no name"), (b"\xff\xfe\x00x", "cannot be read")])
def test_a_list_without_names_is_one_line(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "hard.txt").write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        read_names(tmp_path / "hard.txt")
    assert "\n" not in str(caught.value)
