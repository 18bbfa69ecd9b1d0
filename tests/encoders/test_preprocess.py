import numpy as np
import pytest
import torch
from PIL import Image

from avadclip.encoders.preprocess import PIXEL_MEAN, PIXEL_STD, crop_frame, normalise_pixels, resize_frame
from avadclip.errors import MediaError

SIZES = [  # height, width
    (360, 640),
    (640, 360),
    (1080, 1920),
    (224, 224),
    (224, 299),
    (223, 225),
    (97, 131),
    (41, 37),
    (577, 333),
    (1, 1),
]


def picture(height, width, seed=0):
    """Smooth structure, sharp edges and noise: what a resize can get wrong."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = [127 + 127 * np.sin(2 * np.pi * (f * x + g * y)) for f, g in ((3, 1), (1, 9), (23, 17))]
    image = np.stack(waves, axis=-1)
    image[(x + y) % 0.2 < 0.05] = 255
    noise = np.random.default_rng(seed).normal(0, 20, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


def share_within_one_level(crop, expected):
    difference = crop.permute(1, 2, 0).numpy().astype(int) - np.asarray(expected, dtype=int)
    return (np.abs(difference) <= 1).mean()


def pil_resize(frame, width, height):
    """PIL's bicubic, horizontally first, as all of Pillow before version 13, which the published features come from.

    Pillow 13 begins vertically where the height shrinks much more than the width, and rounds in between.
    """
    bicubic = Image.Resampling.BICUBIC
    return Image.fromarray(frame).resize((width, frame.shape[0]), bicubic).resize((width, height), bicubic)


def pil_centre_crop(frame):
    """The original preprocessing: Resize(224, BICUBIC) and CenterCrop(224), in PIL."""
    height, width = frame.shape[:2]
    size = (224, int(224 * height / width)) if width <= height else (int(224 * width / height), 224)
    image = pil_resize(frame, *size)
    left, top = round((size[0] - 224) / 2.0), round((size[1] - 224) / 2.0)
    return image.crop((left, top, left + 224, top + 224))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_centre_framing_equals_pil(height, width):
    frame = picture(height, width)
    crops = crop_frame(frame)
    assert crops.shape == (1, 3, 224, 224)
    assert share_within_one_level(crops[0], pil_centre_crop(frame)) >= 0.999


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_published_framing_equals_pil(height, width):
    frame = picture(height, width)
    image = pil_resize(frame, 340, 256)
    corners = [(58, 16), (0, 0), (116, 0), (0, 32), (116, 32)]  # left, top: centre, then the corners
    expected = [image.crop((left, top, left + 224, top + 224)) for left, top in corners]
    expected += [crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for crop in expected]
    crops = crop_frame(frame, "published", num_crops=10)
    assert crops.shape == (10, 3, 224, 224)
    assert min(map(share_within_one_level, crops, expected)) >= 0.999


def test_fewer_crops_are_the_first_of_more():
    frame = picture(120, 200)
    ten = crop_frame(frame, "published", num_crops=10)
    assert torch.equal(crop_frame(frame, "published", num_crops=5), ten[:5])
    assert torch.equal(crop_frame(frame, "published"), ten[:1])


def test_a_frame_of_the_right_size_passes_unchanged():
    frame = picture(224, 224)
    assert np.array_equal(crop_frame(frame)[0].permute(1, 2, 0).numpy(), frame)


def test_read_only_and_mirrored_frames_are_taken():
    frame = picture(30, 40)
    expected = crop_frame(frame)
    frame.flags.writeable = False
    assert torch.equal(crop_frame(frame), expected)
    assert torch.equal(crop_frame(np.ascontiguousarray(frame[:, ::-1])), crop_frame(frame[:, ::-1]))


def test_a_frame_like_a_ribbon_is_refused():
    with pytest.raises(MediaError, match="8192 x 2 pixels are too narrow"):
        crop_frame(np.zeros((2, 8192, 3), np.uint8))


def test_pixels_are_normalised_as_clip_does():
    crops = torch.tensor([0, 128, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    expected = (np.array([0, 128, 255]) / 255 - PIXEL_MEAN) / PIXEL_STD
    np.testing.assert_allclose(normalise_pixels(crops).flatten(), expected, atol=1e-6)


def test_the_whole_preprocessing_equals_transformers():
    from transformers import CLIPImageProcessorPil

    frame = picture(360, 640)
    expected = CLIPImageProcessorPil()(Image.fromarray(frame), return_tensors="pt").pixel_values
    difference = (normalise_pixels(crop_frame(frame)) - expected).abs()
    assert (difference <= 1.01 / 255 / min(PIXEL_STD)).float().mean() >= 0.999


def test_the_bilinear_kernel_reads_the_two_nearest_pixels_as_opencv_does():
    """896 columns to 224: column i is the mean of columns 4 i + 1 and 4 i + 2, however many lie between."""
    columns = np.random.default_rng(0).integers(0, 256, 896).astype(np.uint8)
    frame = np.ascontiguousarray(np.broadcast_to(columns[None, :, None], (896, 896, 3)))
    resized = resize_frame(frame, 224, 224, kernel="bilinear")
    expected = (columns[1::4].astype(int) + columns[2::4]) / 2
    assert np.abs(resized[0, 100].numpy() - expected).max() <= 0.5
