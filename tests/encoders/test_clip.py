import pytest
import torch

from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.errors import WeightsError

TINY = ClipConfig(
    vision_width=16,
    vision_depth=2,
    vision_heads=2,
    image_size=32,
    patch_size=16,
    text_width=8,
    text_depth=2,
    text_heads=2,
    num_positions=11,
    vocabulary=50,
    embed_dim=12,
)


@pytest.fixture(scope="module")
def clip(hf_clip):
    with torch.device("meta"):
        clip = Clip()
    return clip.load_tensors(hf_clip.state_dict(), "transformers")


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return Clip(TINY)


@torch.inference_mode()
def test_pictures_are_encoded_as_transformers_does(clip, hf_clip):
    pixels = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    expected = hf_clip.get_image_features(pixels).pooler_output
    assert 0.1 < expected.std() < 10  # of the size of real features
    torch.testing.assert_close(clip.encode_images(pixels), expected, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_text_is_encoded_as_transformers_does(clip, hf_clip):
    ids = torch.randint(0, 49_406, (3, 77), generator=torch.Generator().manual_seed(2))
    end_positions = torch.tensor([1, 21, 76])
    ids[:, 0], ids[torch.arange(3), end_positions] = 49_406, 49_407
    expected = hf_clip.get_text_features(ids).pooler_output
    assert 0.1 < expected.std() < 10
    features = clip.encode_text_embeddings(clip.token_embedding(ids), end_positions)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=0)


def test_what_follows_the_end_position_is_without_effect(tiny):
    embeddings = torch.randn(2, 11, 8)
    end_positions = torch.tensor([4, 6])
    expected = tiny.encode_text_embeddings(embeddings, end_positions)
    embeddings[:, 7:] = torch.nan
    torch.testing.assert_close(tiny.encode_text_embeddings(embeddings, end_positions), expected)
    torch.testing.assert_close(tiny.encode_text_embeddings(embeddings[:1, :5], end_positions[:1]), expected[:1])


def test_learned_prompts_get_gradients_and_the_tower_none(tiny):
    prompts = torch.randn(1, 5, 8, requires_grad=True)
    tiny.encode_text_embeddings(prompts, torch.tensor([4])).sum().backward()
    assert prompts.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in tiny.parameters())


def test_position_ids_of_older_checkpoints_are_ignored(tiny):
    tensors = tiny.state_dict() | {"vision_model.embeddings.position_ids": torch.arange(5)[None]}
    Clip(TINY).load_tensors(tensors, "old.bin")


def test_half_precision_weights_are_widened(tiny):
    clip = Clip(TINY).load_tensors({name: t.half() for name, t in tiny.state_dict().items()}, "half")
    assert {tensor.dtype for tensor in clip.state_dict().values()} == {torch.float32}


def _without_projection(tensors):
    del tensors["visual_projection.weight"]


def _with_another_patch_size(tensors):
    tensors["vision_model.embeddings.patch_embedding.weight"] = torch.zeros(16, 3, 8, 8)


def _with_integers(tensors):
    tensors["logit_scale"] = torch.tensor(2)


def _with_another_tower(tensors):
    tensors["audio_model.weight"] = torch.zeros(1)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without_projection, r"1 of \d+ tensors are missing \(visual_projection.weight\)"),
        (_with_another_patch_size, r"patch_embedding.weight has shape \[16, 3, 8, 8\], needed \[16, 3, 16, 16\]"),
        (_with_integers, r"logit_scale is torch.int64, needed float32"),
        (_with_another_tower, r"1 tensors are unknown \(audio_model.weight\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(tiny, damage, message):
    tensors = dict(tiny.state_dict())
    damage(tensors)
    with pytest.raises(WeightsError, match=f"^bad.bin does not contain CLIP ViT-B/16.*{message}"):
        Clip(TINY).load_tensors(tensors, "bad.bin")


def test_a_lean_picture_is_the_same_but_for_rounding():
    torch.manual_seed(0)
    small = Clip(ClipConfig(vision_width=32, vision_depth=3, vision_heads=2, text_depth=1, embed_dim=8))
    pixels = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        whole, lean = (small.vision_model(pixels, lean=lean) for lean in (False, True))
    torch.testing.assert_close(lean, whole, atol=1e-5, rtol=1e-5)
    assert not torch.equal(whole[0], whole[1])
