import numpy as np
import pytest
import torch
from pydantic import ValidationError

from avadclip.encoders.load import EncoderOptions, load_encoders
from avadclip.errors import ConfigError, WeightsError


@pytest.fixture(scope="module")
def folder(safetensors_folder, wav2clip_tensors, big_dir):
    """CLIP and Wav2CLIP side by side."""
    folder = big_dir / "both"
    folder.mkdir()
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).symlink_to(safetensors_folder / name)
    torch.save(wav2clip_tensors, folder / "Wav2CLIP.pt")
    return folder


def test_a_folder_gives_picture_sound_and_text(folder):
    options = EncoderOptions(frames_per_snippet=2, framing="published", num_crops=5, audio_normalisation="window")
    encoders = load_encoders(f"clip:{folder}", options)
    assert encoders.name == f"clip:{folder}"
    frames = [np.zeros((40, 60, 3), np.uint8)] * 2
    assert encoders.visual.encode([encoders.visual.prepare(frame) for frame in frames]).shape == (5, 1, 512)
    windows = np.zeros((2, 16_000), np.float32)
    assert encoders.audio.encode_recording(lambda: iter([windows])).shape == (2, 512)
    assert encoders.text.encode_words(["fight"]).shape == (1, 512)
    assert encoders.visual.identity()["frame_offsets"] == [0, 8]
    assert encoders.audio.identity()["normalisation"] == "window"


def test_sound_weights_that_are_missing_are_an_error_unless_sound_is_off(safetensors_folder, empty_caches):
    with pytest.raises(WeightsError, match=r"Wav2CLIP is not on this machine"):
        load_encoders(f"clip:{safetensors_folder}")
    encoders = load_encoders(f"clip:{safetensors_folder}", EncoderOptions(sound=False))
    assert encoders.audio is None


def test_lite_needs_no_weights():
    encoders = load_encoders()
    assert encoders.name == "lite"
    assert encoders.text is None
    assert encoders.audio is not None
    assert load_encoders("lite", EncoderOptions(sound=False)).audio is None


def test_options_that_lite_has_not_are_refused():
    with pytest.raises(ConfigError, match="encoders lite do not support framing, num_crops"):
        load_encoders("lite", EncoderOptions(framing="published", num_crops=5))


@pytest.mark.parametrize("spec", ["", "CLIP", "clip:", "lite:folder", "resnet"])
def test_unknown_names_are_answered_with_the_list(spec):
    with pytest.raises(ConfigError, match="needed one of lite, lite-1, clip, clip:FOLDER, onnx:FOLDER"):
        load_encoders(spec)


def test_a_device_that_is_not_there_is_refused_before_anything_is_loaded(tmp_path):
    with pytest.raises(ConfigError, match="device 'abacus' is not available"):
        load_encoders(f"clip:{tmp_path}", EncoderOptions(device="abacus"))


@pytest.mark.parametrize(
    "options",
    [{"num_crops": 5}, {"num_crops": 2}, {"frames_per_snippet": 17}, {"audio_window_seconds": 0.01}, {"crop": 1}],
)
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ValidationError):
        EncoderOptions(**options)
