import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from avadclip.errors import FeatureError
from avadclip.features.store import read_features, read_header, write_features
from avadclip.tensor_file import HEADER_KEY


def parts_of(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()[HEADER_KEY])  # noqa: SIM118


def rewrite(path: Path, tensors: dict[str, np.ndarray], header: object) -> None:
    save_file(tensors, path, metadata={HEADER_KEY: header if isinstance(header, str) else json.dumps(header)})


def refusal(path: Path, *, header_too: bool = False) -> str:
    """What is said about a file: one line that names it."""
    with pytest.raises(FeatureError) as refused:
        read_features(path)
    message = str(refused.value)
    assert str(path) in message
    assert "\n" not in message
    if header_too:
        with pytest.raises(FeatureError):
            read_header(path)
    return message


@pytest.fixture
def written(tmp_path: Path, made_features) -> Path:
    path = tmp_path / "video.safetensors"
    write_features(path, made_features())
    return path


@pytest.mark.parametrize(("crops", "sound"), [(1, True), (1, False), (3, True)])
def test_what_is_written_reads_back(tmp_path: Path, made_features, crops: int, sound: bool) -> None:
    path = tmp_path / "new" / "video.safetensors"
    features = made_features(crops=crops, sound=sound, sound_is_silent=sound)
    write_features(path, features)
    found = read_features(path)
    np.testing.assert_array_equal(found.visual, features.visual)
    assert found.visual.dtype == np.float32
    if sound:
        np.testing.assert_array_equal(found.audio, features.audio)
    else:
        assert found.audio is None
    for name in ("duration_seconds", "provenance", "sound_is_silent", "source_sha256", "notes"):
        assert getattr(found, name) == getattr(features, name)
    assert read_header(path).provenance == features.provenance


def test_the_file_is_as_documented(written: Path, made_features) -> None:
    tensors, header = parts_of(written)
    assert tensors["visual"].shape == (5, 6)  # one crop has no axis of its own
    assert tensors["times"].dtype == np.float64
    np.testing.assert_allclose(tensors["times"], np.arange(5) * 16 / 24)
    assert header["format"] == 1
    assert header["provenance"]["visual"]["frame_offsets"] == [0, 8]
    assert header["written_by"].startswith("avadclip ")


def test_a_file_is_written_whole_or_not_at_all(written: Path, made_features, monkeypatch) -> None:
    before = written.read_bytes()

    def full_disk(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("avadclip.files._flush_to_disk", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_features(written, made_features(9))
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"visual": np.full((1, 5, 6), np.nan, np.float32)}, "a non-finite visual value"),
        ({"audio": np.full((5, 1), np.inf, np.float32)}, "a non-finite audio value"),
        ({"audio": np.zeros((4, 1), np.float32)}, "5 visual but 4 audio snippets"),
        ({"visual": np.zeros((1, 0, 6), np.float32), "audio": None}, "has no snippets"),
        ({"provenance": None}, "have no provenance"),
        ({"source_sha256": None}, "have no provenance"),
    ],
)
def test_unusable_features_are_never_written(tmp_path: Path, made_features, changes: dict, reason: str) -> None:
    path = tmp_path / "video.safetensors"
    with pytest.raises(FeatureError, match=reason) as refused:
        write_features(path, made_features(**changes))
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        (
            "visual",
            np.full((5, 6), np.nan, np.float32),
            "a non-finite visual value (snippet 0, channel 0)",
        ),
        ("audio", np.zeros((3, 1), np.float32), "5 visual but 3 audio"),
        ("visual", np.zeros((0, 6), np.float32), "has no snippets"),
        ("visual", np.zeros(5, np.float32), "visual shape (5,)"),
        ("visual", np.full(5, np.nan, np.float32), "visual shape (5,)"),
        ("audio", np.zeros(5, np.float32), "audio shape (5,)"),
        ("audio", np.zeros((5, 1), np.float64), "float64"),
        ("visual", np.zeros((5, 6), np.int32), "int32"),
    ],
)
def test_unusable_tensors_are_refused(written: Path, name: str, value: np.ndarray, reason: str) -> None:
    tensors, header = parts_of(written)
    rewrite(written, {**tensors, name: value}, header)
    assert reason in refusal(written)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float8_e4m3fn])
def test_other_precisions_are_refused(written: Path, dtype: torch.dtype) -> None:
    _, header = parts_of(written)
    tensors = {"visual": torch.zeros(5, 6).to(dtype)}
    save_torch_file(tensors, written, metadata={HEADER_KEY: json.dumps(header)})
    refusal(written)


def test_a_single_bad_number_is_found_and_placed(written: Path) -> None:
    tensors, header = parts_of(written)
    tensors["visual"][3, 4] = np.inf
    rewrite(written, tensors, header)
    assert "snippet 3, channel 4" in refusal(written)


def test_a_file_without_picture_is_refused(written: Path) -> None:
    tensors, header = parts_of(written)
    del tensors["visual"]
    rewrite(written, tensors, header)
    assert "no tensor `visual`" in refusal(written)


def test_other_format_versions_are_refused_with_what_to_do(written: Path) -> None:
    tensors, header = parts_of(written)
    rewrite(written, tensors, {**header, "format": 2})
    message = refusal(written, header_too=True)
    assert "feature format 2" in message
    assert "update avadclip" in message


def test_a_checkpoint_is_not_read_as_a_feature_file(written: Path) -> None:
    tensors, header = parts_of(written)
    rewrite(written, tensors, {"format": 1, "classes": ["normal", "riot"]})
    assert "holds a checkpoint or another kind of avadclip file; give a file from" in refusal(written, header_too=True)
    rewrite(written, tensors, {**header, "duration_seconds": "long"})
    assert "in its header `duration_seconds` is 'long': input should be a valid number" in refusal(written)


@pytest.mark.parametrize("header", ["", "not json", "[]", "3", "null", "{}", '{"format": 1}', '{"format": 1, "x": 2}'])
def test_a_damaged_header_is_refused(written: Path, header: str) -> None:
    tensors, _ = parts_of(written)
    rewrite(written, tensors, header)
    refusal(written, header_too=True)


def test_what_is_not_a_feature_file_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    save_file({"visual": np.zeros((2, 2), np.float32)}, foreign)
    assert "without avadclip features" in refusal(foreign, header_too=True)
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    empty = tmp_path / "empty.safetensors"
    empty.write_bytes(b"")
    for path in (text, empty, tmp_path, tmp_path / "nowhere.safetensors"):
        assert "cannot be read as a feature file" in refusal(path, header_too=True)


def test_a_file_cut_off_anywhere_is_refused(written: Path) -> None:
    content = written.read_bytes()
    for length in (0, 4, 8, 100, len(content) // 2, len(content) - 1):
        written.write_bytes(content[:length])
        refusal(written)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_damaged_byte_gives_features_or_one_line(written: Path, position: int, value: int) -> None:
    pristine = written.with_suffix(".pristine")
    if not pristine.exists():
        pristine.write_bytes(written.read_bytes())
    content = bytearray(pristine.read_bytes())
    content[position % len(content)] = value
    written.write_bytes(content)
    try:
        read_features(written)
    except FeatureError as error:
        assert "\n" not in str(error)  # noqa: PT017
