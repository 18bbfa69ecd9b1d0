import numpy as np
import pytest
import torch
from torch.nn import functional

from avadclip.encoders.wav2clip import Moments, Wav2Clip, Wav2ClipEncoder, log_spectrogram


@pytest.fixture(scope="module")
def net(wav2clip_tensors):
    names = {"audio_encoder.": "resnet.", "audio_transform.sequential.0.": "projection.0."}
    names |= {"audio_transform.sequential.3.": "projection.2."}
    ours = {}
    for name, tensor in wav2clip_tensors.items():
        for old, new in names.items():
            if name.startswith(old) and not name.endswith(("num_batches_tracked", "spectrogram.window")):
                ours[name.replace(old, new)] = tensor
    return Wav2Clip().load_tensors(ours, "test")


def recording(num_windows, samples=16_000, seed=0):
    """Windows of very different loudness, some silent."""
    random = np.random.default_rng(seed)
    loudness = 10.0 ** random.uniform(-5, 0, (num_windows, 1))
    loudness[1::7] = 0
    return (loudness * random.standard_normal((num_windows, samples)).clip(-1, 1)).astype(np.float32)


def encode(net, windows, batch_sizes, **options):
    def read_windows():
        yield from np.split(windows, np.cumsum(batch_sizes))

    return Wav2ClipEncoder(net, **options).encode_recording(read_windows)


def plain_spectrogram(windows):
    """The published transform, by numpy: frames cut by hand, one FFT each."""
    n = np.arange(512)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / 512)
    padded = np.pad(windows.astype(np.float64), ((0, 0), (256, 256)), mode="reflect")
    starts = np.arange(0, padded.shape[1] - 511, 353)
    frames = padded[:, starts[:, None] + n] * hann
    return np.log(np.abs(np.fft.rfft(frames)) ** 2 + 1e-7).swapaxes(1, 2)  # [N, 257, frames]


def plain_wav2clip(tensors, images):
    """ResNet-18 and projection written out on the published names."""

    def norm(x, name):
        part = {key: tensors[f"{name}.{key}"][:, None, None] for key in ("weight", "bias", "running_mean")}
        deviation = (tensors[f"{name}.running_var"] + 1e-5).sqrt()[:, None, None]
        return (x - part["running_mean"]) / deviation * part["weight"] + part["bias"]

    def convolve(x, name, stride, padding):
        return functional.conv2d(x, tensors[f"{name}.weight"], stride=stride, padding=padding)

    x = norm(convolve(images, "audio_encoder.conv1", 2, 3), "audio_encoder.bn1").clamp(min=0)
    x = functional.max_pool2d(x, 3, 2, 1)
    for layer in (1, 2, 3, 4):
        for block in (0, 1):
            name = f"audio_encoder.layer{layer}.{block}"
            stride = 2 if layer > 1 and block == 0 else 1
            y = norm(convolve(x, f"{name}.conv1", stride, 1), f"{name}.bn1").clamp(min=0)
            y = norm(convolve(y, f"{name}.conv2", 1, 1), f"{name}.bn2")
            if stride == 2:
                x = norm(convolve(x, f"{name}.downsample.0", 2, 0), f"{name}.downsample.1")
            x = (x + y).clamp(min=0)
    x = x.flatten(2).mean(-1)
    x = x @ tensors["audio_transform.sequential.0.weight"].T + tensors["audio_transform.sequential.0.bias"]
    x = x.clamp(min=0)
    return x @ tensors["audio_transform.sequential.3.weight"].T + tensors["audio_transform.sequential.3.bias"]


def test_spectrogram_is_the_published_one():
    windows = recording(4)
    spectrogram = log_spectrogram(torch.from_numpy(windows))
    assert spectrogram.shape == (4, 1, 257, 46)
    np.testing.assert_allclose(spectrogram[:, 0], plain_spectrogram(windows), atol=1e-3)


def test_features_are_those_of_the_published_function_on_the_whole_recording(net, wav2clip_tensors):
    windows = recording(9)
    x = torch.from_numpy(plain_spectrogram(windows)).float()[:, None]
    x = (x - torch.mean(x)) / (torch.std(x) + 1e-9)
    expected = plain_wav2clip(wav2clip_tensors, x)
    assert 0.01 < expected.std() < 100
    np.testing.assert_allclose(encode(net, windows, [2, 5]), expected, atol=1e-4 * float(expected.std()))


@pytest.mark.parametrize("normalisation", ["recording", "window"])
def test_batch_sizes_never_change_a_number(net, normalisation):
    windows = recording(40)
    expected = encode(net, windows, [], normalisation=normalisation)
    assert expected.shape == (40, 512)
    for sizes in ([1] * 39, [0, 32, 0], [31, 2]):
        features = encode(net, windows, sizes, normalisation=normalisation)
        np.testing.assert_allclose(features, expected, atol=1e-6, rtol=0)


def test_a_window_alone_does_not_depend_on_its_neighbours(net):
    windows = recording(5)
    together = encode(net, windows, [], normalisation="window")
    alone = encode(net, windows[2:3], [], normalisation="window")
    np.testing.assert_allclose(together[2:3], alone, atol=1e-5 * np.abs(alone).max())


@pytest.mark.parametrize("normalisation", ["recording", "window"])
def test_silence_gives_the_features_of_a_flat_spectrogram(net, normalisation):
    features = encode(net, np.zeros((3, 16_000), np.float32), [1], normalisation=normalisation)
    with torch.inference_mode():
        flat = net(torch.zeros(3, 1, 257, 46))
    np.testing.assert_allclose(features, flat, atol=1e-5)


def test_a_recording_without_windows_has_no_rows(net):
    assert Wav2ClipEncoder(net).encode_recording(lambda: iter(())).shape == (0, 512)


def test_moments_in_parts_are_the_moments_of_the_whole():
    values = torch.randn(1000) * 3 + 1e4  # a large mean is where naive sums lose digits
    moments = Moments()
    for part in values.split([1, 499, 500]):
        moments = moments.add(part)
    assert moments.count == 1000
    assert moments.mean == pytest.approx(float(values.double().mean()), rel=1e-12)
    assert moments.deviation == pytest.approx(float(values.double().std()), rel=1e-9)


def test_identity_names_what_changes_the_numbers(net):
    first, second = Wav2ClipEncoder(net), Wav2ClipEncoder(net, window_seconds=2.0, normalisation="window")
    assert first.identity()["weights_sha256"] == second.identity()["weights_sha256"] == net.sha256()
    changed = {key for key, value in first.identity().items() if second.identity()[key] != value}
    assert changed == {"window_seconds", "normalisation"}


def test_a_live_stream_is_normalised_over_the_stream_so_far(net):
    windows = recording(4)
    encoder = Wav2ClipEncoder(net)
    listen = encoder.listen()
    for count in range(1, 5):
        moments = Moments().add(torch.from_numpy(plain_spectrogram(windows[:count])))
        expected = encoder.encode_windows(windows[count - 1 : count], moments)
        np.testing.assert_allclose(listen(windows[count - 1 : count]), expected, atol=1e-4)
