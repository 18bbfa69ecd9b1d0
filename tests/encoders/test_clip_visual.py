import numpy as np
import pytest
import torch

from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.encoders.clip_visual import ClipVisualEncoder
from avadclip.encoders.preprocess import crop_frame, normalise_pixels

SMALL = ClipConfig(
    vision_width=32, vision_depth=2, vision_heads=2, text_width=8, text_depth=1, text_heads=2, embed_dim=12
)


@pytest.fixture(scope="module")
def clip():
    torch.manual_seed(0)
    return Clip(SMALL)


@pytest.fixture(scope="module")
def frames():
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (60, 80, 3), dtype=np.uint8) for _ in range(24)]


def encode(encoder, frames):
    return encoder.encode([encoder.prepare(frame) for frame in frames])


@torch.inference_mode()
def embed(clip, frame, **framing):
    return clip.encode_images(normalise_pixels(crop_frame(frame, **framing))).numpy()


@pytest.mark.parametrize(
    ("count", "snippet_frames", "offsets"),
    [(1, 16, (0,)), (2, 16, (0, 8)), (8, 16, (0, 2, 4, 6, 8, 10, 12, 14)), (3, 16, (0, 5, 10)), (4, 4, (0, 1, 2, 3))],
)
def test_frames_are_spread_evenly_from_the_first(clip, count, snippet_frames, offsets):
    encoder = ClipVisualEncoder(clip, frames_per_snippet=count, snippet_frames=snippet_frames)
    assert encoder.frame_offsets == offsets


def test_one_frame_a_snippet_is_its_embedding(clip, frames):
    features = encode(ClipVisualEncoder(clip), frames[:3])
    assert features.shape == (1, 3, 12)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features[0], np.concatenate([embed(clip, f) for f in frames[:3]]), atol=1e-6)


def test_several_frames_and_crops_are_averaged_over_frames_alone(clip, frames):
    encoder = ClipVisualEncoder(clip, frames_per_snippet=4, framing="published", num_crops=5)
    features = encode(encoder, frames[:8])
    assert features.shape == (5, 2, 12)
    each = np.stack([embed(clip, f, framing="published", num_crops=5) for f in frames[:8]])  # [frames, crops, dim]
    np.testing.assert_allclose(features[:, 0], each[:4].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(features[:, 1], each[4:].mean(axis=0), atol=1e-6)


def test_a_snippet_does_not_depend_on_the_others_in_the_call(clip, frames):
    encoder = ClipVisualEncoder(clip)
    together = encode(encoder, frames)  # more than one batch
    for index in (0, 15, 16, 23):
        np.testing.assert_allclose(encode(encoder, [frames[index]])[0, 0], together[0, index], atol=1e-6)


def test_no_frames_give_no_rows(clip):
    assert ClipVisualEncoder(clip, framing="published", num_crops=10).encode([]).shape == (10, 0, 12)


def test_a_batch_bounds_the_pictures_of_one_pass(clip):
    assert ClipVisualEncoder(clip).snippets_per_batch == 16
    assert ClipVisualEncoder(clip, frames_per_snippet=8).snippets_per_batch == 2
    assert ClipVisualEncoder(clip, frames_per_snippet=8, framing="published", num_crops=10).snippets_per_batch == 1


def test_identity_names_what_changes_the_numbers(clip):
    first = ClipVisualEncoder(clip).identity()
    second = ClipVisualEncoder(clip, frames_per_snippet=2, framing="published", num_crops=5).identity()
    assert {key for key in first if first[key] != second[key]} == {"frame_offsets", "framing", "num_crops"}
    other = ClipVisualEncoder(Clip(SMALL)).identity()
    assert {key for key in first if first[key] != other[key]} == {"weights_sha256"}
