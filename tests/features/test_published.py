import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avadclip.errors import FeatureError
from avadclip.features.published import read_published, read_shape
from avadclip.timeline import SnippetGrid

GRID = SnippetGrid()


def rows(length: int, width: int = 4, *, seed: int = 0, dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(length, width)).astype(dtype)


def save(path: Path, content: np.ndarray) -> Path:
    np.save(path, content)
    return path


def refusal(visual: list[Path], audio: Path | None = None) -> str:
    with pytest.raises(FeatureError) as refused:
        read_published(visual, audio, grid=GRID)
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_crops_are_stacked_in_the_order_given(tmp_path: Path) -> None:
    crops = [save(tmp_path / f"video__{crop}.npy", rows(6, seed=crop)) for crop in range(5)]
    sound = save(tmp_path / "sound.npy", rows(6, 3))
    features = read_published(crops, sound, grid=GRID)
    assert features.visual.shape == (5, 6, 4)
    for crop in range(5):
        np.testing.assert_array_equal(features.visual[crop], rows(6, seed=crop))
    np.testing.assert_array_equal(features.audio, rows(6, 3))
    assert features.duration_seconds == pytest.approx(6 * 16 / 24)
    assert features.provenance is None
    assert features.notes == ()


def test_double_and_half_precision_become_float32(tmp_path: Path) -> None:
    for dtype in (np.float64, np.float16):
        path = save(tmp_path / "video__0.npy", rows(3, dtype=dtype))
        features = read_published([path], None, grid=GRID)
        assert features.visual.dtype == np.float32
        assert features.audio is None


def test_one_sound_row_too_few_is_repeated_and_noted(tmp_path: Path) -> None:
    picture, sound = save(tmp_path / "video__0.npy", rows(6)), save(tmp_path / "sound.npy", rows(5, 3))
    features = read_published([picture], sound, grid=GRID)
    np.testing.assert_array_equal(features.audio, np.concatenate([rows(5, 3), rows(5, 3)[-1:]]))
    assert features.notes == ("last audio row repeated: one fewer than visual rows",)


def test_one_sound_row_too_many_is_dropped_and_noted(tmp_path: Path) -> None:
    picture, sound = save(tmp_path / "video__0.npy", rows(6)), save(tmp_path / "sound.npy", rows(7, 3))
    features = read_published([picture], sound, grid=GRID)
    np.testing.assert_array_equal(features.audio, rows(7, 3)[:6])
    assert features.notes == ("last audio row dropped: one more than visual rows",)


@pytest.mark.parametrize("length", [0, 4, 8, 100])
def test_more_than_one_row_of_difference_is_an_error(tmp_path: Path, length: int) -> None:
    picture, sound = save(tmp_path / "video__0.npy", rows(6)), save(tmp_path / "sound.npy", rows(length, 3))
    message = refusal([picture], sound)
    assert str(sound) in message
    assert f"{length} audio rows for 6 visual snippets" in message


def test_crops_of_different_lengths_are_refused(tmp_path: Path) -> None:
    first, second = save(tmp_path / "video__0.npy", rows(6)), save(tmp_path / "video__1.npy", rows(5))
    message = refusal([first, second])
    assert str(second) in message
    assert "(5, 4)" in message


def test_a_number_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    content = rows(6)
    content[2, 1] = np.nan
    assert "snippet 2, channel 1" in refusal([save(tmp_path / "video__0.npy", content)])


@pytest.mark.parametrize("content", [np.zeros((0, 4), np.float32), np.zeros(4, np.float32), np.zeros((2, 4), np.int64)])
def test_other_shapes_and_kinds_are_refused(tmp_path: Path, content: np.ndarray) -> None:
    refusal([save(tmp_path / "video__0.npy", content)])


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_pickles_are_refused_and_not_run(tmp_path: Path) -> None:
    boom = tmp_path / "boom"
    as_objects = tmp_path / "objects.npy"
    np.save(as_objects, np.array([Bomb(boom)], dtype=object), allow_pickle=True)
    bare = tmp_path / "bare.npy"
    bare.write_bytes(pickle.dumps(Bomb(boom)))
    for path in (as_objects, bare):
        assert str(path) in refusal([path])
    assert not boom.exists()


def test_what_is_not_an_array_is_refused(tmp_path: Path) -> None:
    empty, text, archive = tmp_path / "empty.npy", tmp_path / "text.npy", tmp_path / "archive.npy"
    empty.write_bytes(b"")
    text.write_text("not an array")
    buffer = io.BytesIO()
    np.savez(buffer, rows(3))
    archive.write_bytes(buffer.getvalue())
    broken_archive = tmp_path / "broken.npy"
    broken_archive.write_bytes(buffer.getvalue()[:60])
    assert zipfile.is_zipfile(archive)
    for path in (empty, text, archive, broken_archive, tmp_path, tmp_path / "nowhere.npy"):
        assert str(path) in refusal([path])


def test_an_array_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "video__0.npy", rows(6))
    content = path.read_bytes()
    for length in (*range(0, 140, 7), len(content) - 1):
        path.write_bytes(content[:length])
        refusal([path])


def test_a_header_that_promises_far_too_much_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "video__0.npy", rows(6))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"(6, 4), }" + b" " * 11, b"(999999999999, 4), }", 1))
    assert path.read_bytes() != content
    refusal([path])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_damaged_byte_gives_features_or_one_line(tmp_path: Path, position: int, value: int) -> None:
    buffer = io.BytesIO()
    np.save(buffer, rows(6))
    content = bytearray(buffer.getvalue())
    content[position % len(content)] = value
    path = tmp_path / "video__0.npy"
    path.write_bytes(content)
    try:
        read_published([path], None, grid=GRID)
    except FeatureError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("num_rows", [0, 1, 257])
def test_the_header_of_a_file_agrees_with_its_content(tmp_path: Path, dtype: type, num_rows: int) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((num_rows, 6), dtype))
    assert read_shape(path) == (num_rows, 6) == np.load(path).shape


def test_a_file_cut_anywhere_disagrees_with_its_header(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((20, 6), np.float32))
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(FeatureError, match=r"a\.npy cannot be read as a \.npy array"):
            read_shape(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(FeatureError, match="481 bytes of rows, needed 480"):
        read_shape(path)


@pytest.mark.parametrize("rows", [np.zeros((2, 3, 4), np.float32), np.zeros((2, 3), np.int64)])
def test_what_are_no_rows_of_floats_is_refused_by_its_head(tmp_path: Path, rows: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", rows)
    with pytest.raises(FeatureError, match=r"needed floats \[snippets, width\]"):
        read_shape(tmp_path / "a.npy")
