import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from avadclip.encoders.load import load_encoders, load_tagger
from avadclip.encoders.onnx.encoder import OnnxAudioEncoder, OnnxVisualEncoder, log_mel, strongest
from avadclip.encoders.onnx.manifest import SpectrogramSpec, known_manifest, read_manifest, sound_vocabulary
from avadclip.errors import ConfigError, WeightsError

YAMNET = known_manifest("yamnet")
SPECTROGRAM = YAMNET.spectrogram


@pytest.fixture(scope="module")
def yamnet() -> OnnxAudioEncoder:
    return load_tagger()


def noise(num_windows: int, level: float = 0.1) -> np.ndarray:
    return np.random.default_rng(0).normal(0, level, (num_windows, 15_600)).astype(np.float32)


def by_hand(window: np.ndarray, spec: SpectrogramSpec) -> np.ndarray:
    """The log-mel spectrogram of one window, number by number, in double precision."""

    def mel(hz: float) -> float:
        return 2595.0 * np.log10(1.0 + hz / 700.0)

    corners = np.linspace(mel(125.0), mel(7500.0), 66)
    rows = []
    for first in range(0, len(window) - 399, 160):
        samples = window[first : first + 400].astype(np.float64)
        samples *= [0.5 - 0.5 * np.cos(2 * np.pi * n / 400) for n in range(400)]
        magnitude = np.abs(np.fft.fft(np.pad(samples, (0, 112)))[:257])
        row = []
        for left, centre, right in zip(corners, corners[1:], corners[2:], strict=False):
            band = 0.0
            for index in range(1, 257):
                place = mel(index * 16_000 / 512)
                if left < place <= centre:
                    band += magnitude[index] * (place - left) / (centre - left)
                elif centre < place < right:
                    band += magnitude[index] * (right - place) / (right - centre)
            row.append(np.log(band + 0.001))
        rows.append(row)
    return np.array(rows)


def test_the_spectrogram_is_that_of_a_plain_restatement() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(15_600) / 16_000)
    windows = np.stack([noise(1)[0], tone.astype(np.float32)])
    found = log_mel(windows, SPECTROGRAM)
    assert found.shape == (2, 96, 64)
    for row, window in zip(found, windows, strict=True):
        np.testing.assert_allclose(row, by_hand(window, SPECTROGRAM), rtol=0, atol=1e-5)


@pytest.mark.parametrize("sizes", [(7,), (3, 4), (1, 1, 5)])
def test_how_windows_are_batched_changes_nothing(yamnet: OnnxAudioEncoder, sizes: tuple[int, ...]) -> None:
    windows = noise(7)
    batches = np.split(windows, np.cumsum(sizes)[:-1])
    together = yamnet.tag(windows)
    np.testing.assert_array_equal(yamnet.encode_recording(lambda: iter(batches)), together.features)
    np.testing.assert_array_equal(np.concatenate([yamnet.listen()(batch) for batch in batches]), together.features)
    for index, window in enumerate(windows):
        alone = yamnet.tag(window[None])
        np.testing.assert_array_equal(alone.tags.indices[0], together.tags.indices[index])
        np.testing.assert_array_equal(alone.tags.probabilities[0], together.tags.probabilities[index])


def test_yamnet_names_what_is_plain_to_hear(yamnet: OnnxAudioEncoder) -> None:
    time = np.arange(15_600) / 16_000
    tone = (0.3 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    silence = np.zeros(15_600, np.float32)
    tags = yamnet.tag(np.stack([tone, silence])).tags
    strongest_names = [tags.names[row[0]] for row in tags.indices]
    assert strongest_names[1] == "Silence"
    assert {"Beep, bleep", "Sine wave", "Dial tone", "Tuning fork"} & {tags.names[index] for index in tags.indices[0]}


@pytest.mark.parametrize("level", [0.0, 1e-9, 1.0, 30.0])
def test_silence_and_clipped_sound_give_finite_numbers(yamnet: OnnxAudioEncoder, level: float) -> None:
    tagged = yamnet.tag(np.sign(noise(2)) * np.float32(level))
    assert np.isfinite(tagged.features).all()
    assert tagged.tags.fits(2)


def test_the_encoder_is_what_its_manifest_says(yamnet: OnnxAudioEncoder) -> None:
    assert (yamnet.name, yamnet.dim, yamnet.window_seconds, len(yamnet.names)) == ("yamnet", 1024, 0.975, 521)
    assert yamnet.identity()["weights_sha256"] == YAMNET.files["model.onnx"].sha256
    assert sound_vocabulary().names[0] == "Speech"


def test_the_strongest_sounds_come_first_and_ties_by_name() -> None:
    names = tuple(f"sound {number}" for number in range(12))
    probabilities = np.zeros((1, 12), np.float32)
    probabilities[0, [3, 7, 11]] = [0.5, 0.75, 0.5]
    tags = strongest(probabilities, names)
    assert tags.indices[0].tolist()[:3] == [7, 3, 11]
    assert tags.indices.shape == (1, 10)
    assert tags.probability_of(["sound 11", "sound 7"]).tolist() == [0.75]
    assert tags.probability_of([]).tolist() == [0.0]
    compact = tags.compact()
    assert [compact.names[index] for index in compact.indices[0]] == [names[index] for index in tags.indices[0]]


# Encoders of the user's own, in small ONNX files


def write_graph(folder: Path, *, inputs: tuple[int, ...], weight: np.ndarray, kind: str) -> Path:
    """Flatten, a product with `weight` (a tensor inside named `features`), and its double as the output."""
    size = int(np.prod(inputs[1:]))
    assert weight.shape[0] == size
    nodes = [
        helper.make_node("Reshape", ["input", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["features"]),
        helper.make_node("Add", ["features", "features"], ["doubled"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, inputs)],
        [helper.make_tensor_value_info("doubled", TensorProto.FLOAT, (inputs[0], weight.shape[1]))],
        [
            numpy_helper.from_array(np.array([inputs[0], size], np.int64), "shape"),
            numpy_helper.from_array(weight.astype(np.float32), "weight"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = folder / f"{kind}.onnx"
    onnx.save(model, path)
    return path


def write_manifest(folder: Path, graph: Path, kind: str, *, inputs: tuple[int, ...], dim: int, table: str) -> Path:
    content = graph.read_bytes()
    path = folder / f"{kind}.toml"
    path.write_text(
        f'name = "tiny-{kind}"\ntitle = "Tiny"\nlicence = "none"\nmodality = "{kind}"\ndim = {dim}\n'
        f'[files."{graph.name}"]\nbytes = {len(content)}\nsha256 = "{hashlib.sha256(content).hexdigest()}"\n'
        f'[graph]\nfile = "{graph.name}"\ninput = "input"\ninput_shape = {list(inputs)}\nfeatures = "features"\n{table}'
    )
    return path


PIXELS = (
    "[pixels]\nheight = 8\nwidth = 8\nmean = [0.5, 0.5, 0.5]\ndeviation = [0.25, 0.5, 1.0]\nframe_offsets = [0, 8]\n"
)
MEL = (
    "[spectrogram]\nsample_rate_hz = 16000\nfft_samples = 512\nwindow_samples = 400\nhop_samples = 400\nmel_bands = 4\n"
    "lowest_hz = 100.0\nhighest_hz = 8000.0\nlog_offset = 0.1\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An encoder of pictures (mean of each channel) and one of sound (mean of the log-mel bands), in batches of 2."""
    mean = np.kron(np.eye(3), np.full((64, 1), 1 / 64))
    graph = write_graph(tmp_path, inputs=(2, 3, 8, 8), weight=mean, kind="visual")
    write_manifest(tmp_path, graph, "visual", inputs=(2, 3, 8, 8), dim=3, table=PIXELS)
    graph = write_graph(tmp_path, inputs=(2, 5, 4), weight=np.full((20, 1), 1 / 20), kind="audio")
    write_manifest(tmp_path, graph, "audio", inputs=(2, 5, 4), dim=1, table=MEL)
    return tmp_path


def test_a_picture_encoder_needs_a_file_and_a_manifest_alone(folder: Path) -> None:
    encoders = load_encoders(f"onnx:{folder}")
    visual = encoders.visual
    assert isinstance(visual, OnnxVisualEncoder)
    assert (visual.frame_size, visual.frame_offsets, visual.dim) == ((8, 8), (0, 8), 3)
    frames = [np.full((8, 8, 3), value, np.uint8) for value in (0, 255, 51, 51, 102, 0)]
    rows = visual.encode([visual.prepare(frame) for frame in frames])
    # Mean of 0 and 1 less .5 is 0; .2 less .5 over .25, .5, 1; mean of .4 and 0 less .5.
    np.testing.assert_allclose(rows[0], [[0, 0, 0], [-1.2, -0.6, -0.3], [-1.2, -0.6, -0.3]], atol=1e-6)
    np.testing.assert_array_equal(visual.encode(frames[2:4])[0, 0], rows[0, 1])


def test_a_sound_encoder_needs_a_file_and_a_manifest_alone(folder: Path) -> None:
    encoders = load_encoders(f"onnx:{folder}")
    assert encoders.tagger is None  # its manifest names no sounds
    assert encoders.audio.window_seconds == pytest.approx(0.125)
    windows = noise(3)[:, :2000]
    expected = log_mel(windows, read_manifest(folder / "audio.toml", "audio").spectrogram).mean(axis=(1, 2))
    np.testing.assert_allclose(encoders.audio.listen()(windows)[:, 0], expected, atol=1e-5)
    (folder / "audio.toml").unlink()
    assert load_encoders(f"onnx:{folder}").audio is None


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("dim = 3", "dim = 4"), r"gives rows of \[3\], its manifest says \[4\]"),
        (("[2, 3, 8, 8]", "[2, 3, 9, 8]"), "takes .*8, 8.*says .*9, 8"),
        (('input = "input"', 'input = "pixels"'), "takes"),
        (('features = "features"', 'features = "embedding"'), "not the graph its manifest describes"),
    ],
)
def test_a_graph_that_differs_from_its_manifest_is_refused(folder: Path, edit: tuple[str, str], message: str) -> None:
    path = folder / "visual.toml"
    path.write_text(path.read_text().replace(*edit))
    with pytest.raises(WeightsError, match=message):
        load_encoders(f"onnx:{folder}")


def test_files_that_are_missing_changed_or_no_graph_are_refused(folder: Path) -> None:
    graph = folder / "visual.onnx"
    content = graph.read_bytes()
    graph.write_bytes(content[:-1])
    with pytest.raises(WeightsError, match="is not the file that the manifest of Tiny names; get it again"):
        load_encoders(f"onnx:{folder}")
    graph.unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        load_encoders(f"onnx:{folder}")
    graph.write_bytes(b"no graph")
    write_manifest(folder, graph, "visual", inputs=(2, 3, 8, 8), dim=3, table=PIXELS)
    with pytest.raises(WeightsError, match="not the graph its manifest describes"):
        load_encoders(f"onnx:{folder}")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("[pixels]", "[spectrogram]"), "no manifest of an encoder"),
        (('modality = "visual"', 'modality = "audio"'), r"needs a table \[spectrogram\] and no \[pixels\]"),
        (("dim = 3", "dim = 0"), r"\(dim: "),
        (("dim = 3", "width = 3"), "no manifest of an encoder"),
        (("dim = 3", "dim = = 3"), "cannot be read as TOML"),
        (('file = "visual.onnx"', 'file = "other.onnx"'), r"have no table \[files\]"),
    ],
)
def test_an_unusable_manifest_is_one_line(folder: Path, edit: tuple[str, str], message: str) -> None:
    path = folder / "visual.toml"
    path.write_text(path.read_text().replace(*edit))
    with pytest.raises(ConfigError, match=message) as caught:
        load_encoders(f"onnx:{folder}")
    assert "\n" not in str(caught.value)


def test_a_manifest_of_the_other_side_is_refused(folder: Path) -> None:
    (folder / "visual.toml").write_text((folder / "audio.toml").read_text())
    with pytest.raises(ConfigError, match="has the modality 'audio', needed 'visual'"):
        load_encoders(f"onnx:{folder}")


def test_a_folder_without_manifests_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"visual.toml cannot be read"):
        load_encoders(f"onnx:{tmp_path}")
