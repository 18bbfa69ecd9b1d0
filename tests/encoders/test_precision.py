import numpy as np
import pytest
import torch

import avadclip.encoders.quantised
from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.encoders.clip_visual import ClipVisualEncoder
from avadclip.encoders.load import EncoderOptions, load_encoders
from avadclip.encoders.precision import precisions_on
from avadclip.errors import ConfigError

SMALL = ClipConfig(
    vision_width=64, vision_depth=2, vision_heads=2, text_width=8, text_depth=1, text_heads=2, embed_dim=16
)


@pytest.fixture(scope="module")
def clip():
    torch.manual_seed(0)
    return Clip(SMALL)


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def prepared(clip):
    """Different smooth pictures: noise alone looks the same everywhere."""
    random = np.random.default_rng(0)
    coarse = [random.integers(0, 256, (4, 5, 3), dtype=np.uint8) for _ in range(12)]
    return [ClipVisualEncoder(clip).prepare(np.kron(frame, np.ones((60, 60, 1), np.uint8))) for frame in coarse]


def centred_cosines(reference, found):
    mean = reference.mean(axis=0)
    ours, others = reference - mean, found - mean
    return (ours * others).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(others, axis=1)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_lower_precision_gives_nearly_the_same_features(clip, prepared, precision):
    reference = ClipVisualEncoder(clip).encode(prepared)[0]
    found = ClipVisualEncoder(clip, precision=precision).encode(prepared)[0]
    assert found.dtype == np.float32
    assert found.shape == reference.shape
    assert not np.array_equal(found, reference)  # it is another precision
    assert centred_cosines(reference, found).mean() > 0.96  # of so narrow a network; full size is far closer


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_the_precision_in_use_is_in_the_identity(clip, precision):
    encoder = ClipVisualEncoder(clip, precision=precision)
    plain = ClipVisualEncoder(clip).identity()
    assert encoder.identity() == {**plain, "precision": precision}


def test_in_int8_a_picture_does_not_depend_on_its_neighbours(clip, prepared):
    encoder = ClipVisualEncoder(clip, precision="int8")
    bright = [np.full_like(prepared[0], 255)]
    alone = encoder.encode(prepared[:1])
    np.testing.assert_array_equal(encoder.encode(bright + prepared[:1] + bright)[:, 1:2], alone)
    assert encoder.encode([]).shape == (1, 0, 16)


def test_bf16_leaves_the_text_and_the_other_encoder_alone(clip, prepared):
    plain = ClipVisualEncoder(clip)
    before = plain.encode(prepared)
    ClipVisualEncoder(clip, precision="bf16")
    assert {tensor.dtype for tensor in clip.state_dict().values()} == {torch.float32}
    np.testing.assert_array_equal(plain.encode(prepared), before)


def test_int8_is_made_once_for_the_same_weights(clip, monkeypatch):
    made = []
    quantise = avadclip.encoders.quantised._quantised
    monkeypatch.setattr(avadclip.encoders.quantised, "_quantised", lambda clip: made.append(clip) or quantise(clip))
    torch.manual_seed(1)
    other = Clip(SMALL)
    for each in (other, other, clip):
        ClipVisualEncoder(each, precision="int8")
    assert made in ([other], [other, clip])  # `clip` may be there from the tests before


def test_crops_and_frames_of_a_snippet_work_in_int8_too(clip):
    random = np.random.default_rng(1)
    frames = [random.integers(0, 256, (60, 80, 3), dtype=np.uint8) for _ in range(4)]
    options = {"frames_per_snippet": 2, "framing": "published", "num_crops": 5}
    reference, low = (ClipVisualEncoder(clip, **options, precision=name) for name in ("fp32", "int8"))
    crops = [reference.prepare(frame) for frame in frames]
    np.testing.assert_allclose(low.encode(crops), reference.encode(crops), atol=0.15)
    assert low.encode(crops).shape == (5, 2, 16)


def test_int8_is_for_the_cpu(clip):
    assert precisions_on("cpu") == ("fp32", "bf16", "int8")
    assert "int8" not in precisions_on("cuda:1")
    with pytest.raises(ConfigError, match="int8 runs on the CPU only, not on meta; use bf16 there"):
        ClipVisualEncoder(Clip(SMALL), device="meta", precision="int8")


def test_lite_has_one_precision():
    with pytest.raises(ConfigError, match="encoders lite do not support precision"):
        load_encoders("lite", EncoderOptions(precision="bf16"))


def test_the_options_behind_an_identity_give_it_again(clip):
    options = EncoderOptions(
        frames_per_snippet=2, snippet_frames=4, framing="published", num_crops=5, precision="bf16", sound=False
    )
    encoder = ClipVisualEncoder(
        clip, frames_per_snippet=2, snippet_frames=4, framing="published", num_crops=5, precision="bf16"
    )
    assert EncoderOptions.behind(encoder.identity(), None, 4) == options
    sound = {"name": "wav2clip", "window_seconds": 2.0, "normalisation": "window"}
    heard = EncoderOptions.behind(encoder.identity(), sound, 4)
    assert (heard.sound, heard.audio_window_seconds, heard.audio_normalisation) == (True, 2.0, "window")
    assert EncoderOptions.behind({"name": "lite", "precision": "fp32"}, None, 16) == EncoderOptions()
