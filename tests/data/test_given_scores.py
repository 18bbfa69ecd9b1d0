import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avadclip.data.bags import Bag
from avadclip.data.given_scores import GivenScores, read_scores
from avadclip.errors import DataError
from avadclip.features.snippets import SnippetFeatures

NAMES = ("yard/brawl.mp4", "Bad.Boys.1995__#00-26_label_B2-0-0", "street.mkv")
LENGTHS = (3, 2, 4)
BAGS = tuple(
    Bag(name, name, SnippetFeatures(np.zeros((1, length, 2), np.float32), None, length, None), np.eye(3)[0])
    for name, length in zip(NAMES, LENGTHS, strict=True)
)
CURVES = [np.linspace(0.1 * number, 1, length) for number, length in enumerate(LENGTHS)]
PROBABILITIES = [np.stack([1 - curve, curve / 2, curve / 2], axis=1) for curve in CURVES]
TERABYTE = (
    b"\x93NUMPY\x01\x00\x40\x00"
    + b"{'descr': '<f4', 'fortran_order': False, 'shape': (274877906944,), }".ljust(63)
    + b"\n"
)


def read(path: Path) -> GivenScores:
    return read_scores(path, BAGS, num_classes=3, snippet_frames=4)


def write_npy(path: Path, rows: list[np.ndarray]) -> Path:
    np.save(path / "all.npy", np.concatenate(rows))
    return path / "all.npy"


def write_folder(path: Path, rows: list[np.ndarray]) -> Path:
    for name, each in zip(NAMES, rows, strict=True):
        file = path / "scores" / f"{name.removesuffix('.mp4')}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, each)
    return path / "scores"


def write_npz(path: Path, rows: list[np.ndarray]) -> Path:
    np.savez(path / "scores.npz", **{Path(name).name: each for name, each in zip(NAMES, rows, strict=True)})
    return path / "scores.npz"


def write_json(path: Path, rows: list[np.ndarray]) -> Path:
    content = {name: each.tolist() for name, each in zip(NAMES, rows, strict=True)}
    (path / "scores.json").write_text(json.dumps(dict(reversed(content.items()))))
    return path / "scores.json"


WRITERS = (write_npy, write_folder, write_npz, write_json)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("frames", [1, 4], ids=["per snippet", "per frame"])
@pytest.mark.parametrize("rows", [CURVES, PROBABILITIES], ids=["scores", "probabilities"])
def test_every_form_gives_the_same_rows(
    tmp_path: Path, write: Callable[..., Path], frames: int, rows: list[np.ndarray]
) -> None:
    written = [np.repeat(each, frames, axis=0) for each in rows]
    given = read(write(tmp_path, written))
    assert given.frames_per_row == 4 // frames
    for one, other in zip(given.rows, written, strict=True):
        np.testing.assert_array_equal(one, other)
    per = "snippet" if frames == 1 else "frame"
    assert f"per {per}, inferred from its {9 * frames} rows" in given.notes[0]


def test_one_column_is_a_score_and_several_give_one_minus_normal(tmp_path: Path) -> None:
    column = read(write_npy(tmp_path, [curve[:, None] for curve in CURVES]))
    assert column.probabilities is None
    given = read(write_npy(tmp_path, PROBABILITIES))
    for one, two, curve in zip(column.anomaly_scores, given.anomaly_scores, CURVES, strict=True):
        np.testing.assert_array_equal(one, curve)
        np.testing.assert_allclose(two, curve)


def test_probabilities_that_do_not_sum_to_1_are_noted(tmp_path: Path) -> None:
    assert not any("sum to 1" in note for note in read(write_npy(tmp_path, PROBABILITIES)).notes)
    given = read(write_npy(tmp_path, [0.5 * rows for rows in PROBABILITIES]))
    assert "do not sum to 1 (off by up to 0.50)" in given.notes[-1]


def changed(index: int, value: object) -> list[np.ndarray]:
    return [value if number == index else rows for number, rows in enumerate(CURVES)]  # type: ignore[misc]


def without(number: int) -> list[np.ndarray]:
    return [rows for index, rows in enumerate(CURVES) if index != number]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (without(0), r"has 6 rows; needed 9, one for each snippet of the 3 videos, or 36, one for each frame"),
        ([np.zeros((9, 2))], r"has the shape \(9, 2\); needed one anomaly score or 3 class probabilities per row"),
        ([np.zeros((3, 9))], r"has the shape \(3, 9\)"),
        ([np.array(["high"] * 9)], "has values of type <U4; needed numbers"),
        ([np.zeros(0)], "has 0 rows"),
        (changed(1, np.array([0.1, np.nan])), "label_B2-0-0 has the score nan in row 1"),
        (changed(2, np.array([0, 0, np.inf, 0])), "street.mkv has the score inf in row 2"),
        ([np.full((9, 3), -2.0)], "brawl.mp4 has class values outside .0, 1. in row 0; give probabilities"),
    ],
)
def test_what_one_array_cannot_mean_is_one_line(tmp_path: Path, rows: list[np.ndarray], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(write_npy(tmp_path, rows))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("write", WRITERS[1:])
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (changed(0, np.zeros(4)), r"yard/brawl.mp4 has 4 rows; needed 3, one for each snippet, or 12"),
        (changed(1, np.zeros(8)), r"label_B2-0-0 has 8 rows; needed 2, .* and the same for all videos"),
        (changed(1, PROBABILITIES[1]), "yard/brawl.mp4 and Bad.Boys.1995__#00-26_label_B2-0-0 differ"),
        (changed(2, np.full(4, np.nan)), "street.mkv has the score nan in row 0"),
    ],
)
def test_a_video_whose_rows_do_not_fit_is_named(
    tmp_path: Path, write: Callable[..., Path], rows: list[np.ndarray], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, rows))


def test_missing_and_unknown_videos_are_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, CURVES)
    np.save(folder / "alley.npy", CURVES[0])
    with pytest.raises(DataError, match="scores of 1 videos that the data does not have, the first is alley"):
        read(folder)
    (folder / "alley.npy").rename(folder / "street.mkv.npy")
    (folder / "yard" / "brawl.npy").unlink()
    with pytest.raises(DataError, match=r"lacks 1 of 3 videos, the first is yard/brawl.mp4; add it"):
        read(folder)


def test_names_of_another_system_are_found(tmp_path: Path) -> None:
    names = ("Yard\\BRAWL.MP4", NAMES[1].upper(), "street")
    np.savez(tmp_path / "scores.npz", **dict(zip(names, CURVES, strict=True)))
    for one, curve in zip(read(tmp_path / "scores.npz").rows, CURVES, strict=True):
        np.testing.assert_array_equal(one, curve)


def test_a_missing_video_comes_with_the_nearest_name(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, CURVES)
    (folder / "street.mkv.npy").rename(folder / "streets.npy")
    with pytest.raises(DataError, match=r"the first is street.mkv \(the nearest name is streets\); add it"):
        read(folder)


def test_two_videos_of_one_name_do_not_share_scores(tmp_path: Path) -> None:
    twins = [BAGS[0], Bag("hall/brawl.mp4", "", BAGS[0].stored, BAGS[0].targets)]
    (tmp_path / "scores.json").write_text(json.dumps({"brawl.mp4": [0, 0, 0]}))
    with pytest.raises(DataError, match=r"yard/brawl.mp4 and hall/brawl.mp4 would share `brawl.mp4`"):
        read_scores(tmp_path / "scores.json", twins, num_classes=3, snippet_frames=4)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("all.npy", b"\x93NUMPY nonsense", "cannot be read as scores"),
        ("all.npy", b"", "cannot be read as scores"),
        ("all.npy", TERABYTE, "cannot be read as scores"),
        ("scores.npz", b"PK nonsense", "cannot be read as scores"),
        ("scores.json", b"{", "cannot be read as scores"),
        ("scores.json", b"[1, 2]", "is not a JSON object"),
        ("scores.json", b'{"street.mkv": [[1], [1, 2]]}', "street.mkv is not a list of numbers"),
        ("scores.csv", b"1,2", "is not a score file; give a .npy, .npz or .json"),
    ],
)
def test_a_file_that_holds_no_scores_is_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["none.npy", "none", "none.npz", "none.json"])
def test_a_file_that_is_not_there_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="none"):
        read(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"contains no .npy files"):
        read(tmp_path / "empty")


def test_pickled_content_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "all.npy", np.array([{"a": 1}], dtype=object))
    (tmp_path / "scores.npy").write_bytes(pickle.dumps({"street": [0.1]}))
    np.savez(tmp_path / "scores.npz", street=np.array([[0.1], [0.1, 0.2]], dtype=object))
    (tmp_path / "scores").mkdir()
    shutil.copy(tmp_path / "all.npy", tmp_path / "scores" / "street.npy")
    for name in ("all.npy", "scores.npy", "scores.npz", "scores"):
        with pytest.raises(DataError, match=r"pickled .* never opened.*numpy.save, an .npz .*, a .json .* NAME.npy"):
            read(tmp_path / name)


def test_a_json_file_of_another_editor_is_read_and_a_double_is_not(tmp_path: Path) -> None:
    path = write_json(tmp_path, CURVES)
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert len(read(path).rows) == 3
    path.write_text('{"street.mkv": [1], "street.mkv": [2]}')
    with pytest.raises(DataError, match=r"street\.mkv is there twice"):
        read(path)


def test_an_archive_that_unpacks_to_more_than_any_scores_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avadclip.data.given_scores.MAX_UNPACKED_BYTES", 50_000)
    np.savez_compressed(tmp_path / "scores.npz", street=np.zeros(100_000))
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("was unpacked"))
    with pytest.raises(DataError, match=r"unpacks to 0\.0 GB"):
        read(tmp_path / "scores.npz")
