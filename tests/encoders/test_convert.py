import zipfile

import pytest
import torch
from safetensors.torch import load_file

from avadclip.encoders import convert
from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.encoders.convert import convert_openai_clip, convert_weights
from avadclip.encoders.weight_formats import wav2clip_from_pickle, wav2clip_from_safetensors
from avadclip.errors import WeightsError


@pytest.fixture
def wav2clip_file(wav2clip_tensors, tmp_path):
    path = tmp_path / "Wav2CLIP.pt"
    torch.save(wav2clip_tensors, path)
    return path


@pytest.fixture
def small_clip(monkeypatch):
    """Stands in for files of hundreds of megabytes, whose reading test_weight_formats.py covers."""
    clip = Clip(ClipConfig(vision_depth=0, text_depth=0, vocabulary=9))
    monkeypatch.setattr(convert, "clip_from_openai", lambda _: clip)
    monkeypatch.setattr(convert, "clip_from_pickle", lambda _: clip)
    return clip


def test_wav2clip_is_recognised_and_converted(wav2clip_file, tmp_path):
    converted = convert_weights(wav2clip_file, tmp_path / "out")
    assert converted == (tmp_path / "out" / "wav2clip.safetensors", "")
    assert wav2clip_from_safetensors(converted.path).sha256() == wav2clip_from_pickle(wav2clip_file).sha256()


def test_pytorch_model_bin_is_recognised_and_converted(small_clip, tmp_path):
    torch.save({"vision_model.post_layernorm.bias": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    (tmp_path / "tokenizer.json").touch()
    assert convert_weights(tmp_path / "pytorch_model.bin", tmp_path) == (tmp_path / "model.safetensors", "")
    assert load_file(tmp_path / "model.safetensors").keys() == small_clip.state_dict().keys()


def test_openais_archive_is_recognised_and_converted(small_clip, tmp_path):
    with zipfile.ZipFile(tmp_path / "ViT-B-16.pt", "w") as archive:
        archive.writestr("ViT-B-16/constants.pkl", b"")
    assert convert_weights(tmp_path / "ViT-B-16.pt", tmp_path).path == tmp_path / "model.safetensors"


def test_openais_file_still_needs_the_tokenizer(small_clip, tmp_path):
    path, note = convert_openai_clip(tmp_path / "ViT-B-16.pt", tmp_path / "out")
    assert path == tmp_path / "out" / "model.safetensors"
    assert "tokenizer.json is also needed; without it in this folder, it is downloaded on first use" in note


def test_a_file_is_never_overwritten(small_clip, tmp_path):
    (tmp_path / "model.safetensors").write_text("precious")
    with pytest.raises(WeightsError, match="exists already and is not overwritten"):
        convert_openai_clip(tmp_path / "ViT-B-16.pt", tmp_path)
    assert (tmp_path / "model.safetensors").read_text() == "precious"


def test_other_weights_are_refused_by_their_content(tmp_path):
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"neither CLIP nor Wav2CLIP \(its first tensor is fc.weight\)"):
        convert_weights(tmp_path / "other.pth", tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"nowhere.pt cannot be read as weights \(.*No such file"):
        convert_weights(tmp_path / "nowhere.pt", tmp_path)
