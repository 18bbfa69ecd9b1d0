"""Encoders in ONNX files, described by a manifest: one class for sound, one for pictures, none per model."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from scipy.fft import rfft
from scipy.special import expit

from avadclip.encoders.base import Frame, Identity, Prepared, SoundTags, TaggedSound, Windows
from avadclip.encoders.onnx.graph import start_session, with_outputs
from avadclip.encoders.onnx.manifest import EncoderManifest, SpectrogramSpec
from avadclip.encoders.rows import Rows
from avadclip.errors import WeightsError
from avadclip.media.track import SAMPLE_RATE_HZ

NUM_TAGS = 10  # sounds kept per snippet

Rowset = NDArray[np.float32]


class OnnxGraph:
    """A manifest's graph: an array in, the manifest's features and logits out.

    Args:
        manifest: of the encoder.
        folder: with the manifest's files.
        num_threads: of one run.

    Raises:
        WeightsError: a file is missing, is not the manifest's, or holds another graph than the manifest says.
    """

    def __init__(self, manifest: EncoderManifest, folder: Path, *, num_threads: int) -> None:
        spec = manifest.graph
        self._spec = spec
        self.sha256 = manifest.files[spec.file].sha256
        graph = _read(manifest, folder, spec.file)
        data = {} if spec.data_file is None else {spec.data_file: _read(manifest, folder, spec.data_file)}
        constant_names = [name for name in (spec.scale, spec.zero_point) if name is not None]
        self._outputs = [spec.features, *([spec.logits] if spec.logits else [])]
        where = folder / spec.file
        try:
            session = start_session(graph, num_threads, data)
            known = {output.name for output in session.get_outputs()}
            inner = [name for name in (*self._outputs, *constant_names) if name not in known]
            if inner:
                del session  # two at once would cost twice the memory
                session = start_session(with_outputs(graph, inner), num_threads, data)
        except Exception as error:  # ONNX Runtime raises many types of exceptions
            reason = (str(error).splitlines() or ["unknown"])[0]
            raise WeightsError(f"{where} is not the graph its manifest describes ({reason}); get it again") from error
        self._session = session
        _check(session, manifest, where)
        empty = np.zeros(spec.input_shape, _input_type(session))
        found = session.run([*self._outputs, *constant_names], {spec.input: empty})
        widths = [rows.shape[1] for rows in found[: len(self._outputs)]]
        needed = [manifest.dim, *([len(manifest.names)] if spec.logits else [])]
        if widths != needed:
            raise WeightsError(f"{where} gives rows of {widths}, its manifest says {needed}; mend the manifest")
        constants = found[len(self._outputs) :] or [1.0, 0]
        self._scale, self._zero_point = float(constants[0]), int(constants[1])

    def run(self, inputs: Rowset) -> list[Rowset]:
        """Features and logits of N inputs, [N, ..]: in runs of the graph's own size, the last one padded with zeros."""
        size = self._spec.input_shape[0]
        kind = _input_type(self._session)
        inputs = inputs.reshape(-1, *self._spec.input_shape[1:])
        if kind != np.float32:
            bounds = np.iinfo(kind.name)
            inputs = np.clip(np.rint(inputs / self._scale) + self._zero_point, bounds.min, bounds.max)
        runs = []
        for start in range(0, len(inputs), size):
            batch = np.zeros(self._spec.input_shape, kind)
            part = inputs[start : start + size]
            batch[: len(part)] = part
            runs.append([rows[: len(part)] for rows in self._session.run(self._outputs, {self._spec.input: batch})])
        return [np.concatenate(rows) for rows in zip(*runs, strict=True)]


class OnnxAudioEncoder:
    """Audio encoder in an ONNX file; a tagger as well where its manifest names sounds. See base.AudioEncoder."""

    reads_once = True

    def __init__(self, manifest: EncoderManifest, folder: Path) -> None:
        assert manifest.spectrogram is not None
        self.name = manifest.name
        self.dim = manifest.dim
        self.names = manifest.names
        self.default_sounds = manifest.default_sounds
        self._version = manifest.version
        self._spectrogram = manifest.spectrogram
        self._num_samples = self._spectrogram.num_samples(manifest.graph.input_shape[-2])
        self.window_seconds = self._num_samples / SAMPLE_RATE_HZ
        self._graph = OnnxGraph(manifest, folder, num_threads=1)

    def encode_recording(self, read_windows: Callable[[], Iterator[Windows]]) -> NDArray[np.float32]:
        """See base.AudioEncoder.encode_recording; one pass."""
        rows = Rows(self.dim)
        for batch in read_windows():
            rows.append(self._run(batch)[0])
        return rows.take()

    def listen(self) -> Callable[[Windows], NDArray[np.float32]]:
        """See base.AudioEncoder.listen; features are the same live and in a file."""
        return lambda windows: self._run(windows)[0]

    def tag(self, windows: Windows) -> TaggedSound:
        """See base.SoundTagger.tag."""
        features, logits = self._run(windows)
        return TaggedSound(features, strongest(expit(logits), self.names))

    def identity(self) -> Identity:
        """See base.Identity."""
        return {
            "name": self.name,
            "weights_sha256": self._graph.sha256,
            "window_seconds": self.window_seconds,
            "normalisation": "none",
            "precision": "as exported",
            "version": self._version,
        }

    def _run(self, windows: Windows) -> list[Rowset]:
        return self._graph.run(log_mel(windows, self._spectrogram))


class OnnxVisualEncoder:
    """Visual encoder in an ONNX file; the features of a snippet's frames are averaged. See base.VisualEncoder."""

    num_crops = 1
    snippets_per_batch = 4

    def __init__(self, manifest: EncoderManifest, folder: Path, *, num_threads: int) -> None:
        assert manifest.pixels is not None
        self.name = manifest.name
        self.dim = manifest.dim
        self._version = manifest.version
        self._pixels = manifest.pixels
        self.frame_offsets = manifest.pixels.frame_offsets
        self.frame_size: tuple[int, int] | None = (manifest.pixels.height, manifest.pixels.width)
        self._mean, self._deviation = (
            np.array(values, np.float32) for values in (manifest.pixels.mean, manifest.pixels.deviation)
        )
        self._graph = OnnxGraph(manifest, folder, num_threads=num_threads)

    def prepare(self, frame: Frame) -> Prepared:
        """See base.VisualEncoder.prepare; the reader has already resized the frame."""
        return frame

    def encode(self, frames: list[Prepared]) -> NDArray[np.float32]:
        """See base.VisualEncoder.encode; returns [1, N, dim]."""
        pixels = np.stack(frames).astype(np.float32) / 255.0
        pixels = (pixels - self._mean) / self._deviation
        if self._pixels.layout == "NCHW":
            pixels = pixels.transpose(0, 3, 1, 2)
        (features,) = self._graph.run(pixels)
        averaged: NDArray[np.float32] = features.reshape(1, -1, len(self.frame_offsets), self.dim).mean(axis=2)
        return averaged

    def identity(self) -> Identity:
        """See base.Identity."""
        return {
            "name": self.name,
            "weights_sha256": self._graph.sha256,
            "frame_offsets": list(self.frame_offsets),
            "framing": f"stretched to {self._pixels.width}x{self._pixels.height}",
            "num_crops": self.num_crops,
            "precision": "as exported",
            "version": self._version,
        }


def log_mel(windows: Windows, spec: SpectrogramSpec) -> NDArray[np.float32]:
    """Log-mel magnitude spectrogram, ln(mel + offset): [N, samples] to [N, frames, bands]."""
    return np.stack([_log_mel(window, spec) for window in windows])  # one by one: all at once take 1 MB a window


def _log_mel(window: NDArray[np.float32], spec: SpectrogramSpec) -> NDArray[np.float32]:
    frames = sliding_window_view(window, spec.window_samples)[:: spec.hop_samples]
    # In double precision: beside a loud tone, float32 is wrong by 0.002 in the quiet bands.
    magnitude = np.abs(rfft(frames * _hann(spec.window_samples), n=spec.fft_samples, axis=-1))
    bands: NDArray[np.float32] = np.log(magnitude @ mel_triangles(spec) + spec.log_offset).astype(np.float32)
    return bands


@cache
def _hann(num_samples: int) -> NDArray[np.float64]:
    window: NDArray[np.float64] = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(num_samples) / num_samples)
    return window


@cache
def mel_triangles(spec: SpectrogramSpec) -> NDArray[np.float64]:
    """Triangles evenly spaced and straight on the mel scale 2595 log10(1 + f / 700), [FFT bins, bands]."""
    bins = _mel(np.arange(spec.fft_samples // 2 + 1) * spec.sample_rate_hz / spec.fft_samples)
    lowest, highest = _mel(np.array([spec.lowest_hz, spec.highest_hz]))
    corners = np.linspace(lowest, highest, spec.mel_bands + 2)
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (bins[:, None] - left) / (centre - left), (right - bins[:, None]) / (right - centre)
    triangles: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0.0, None)
    triangles[0] = 0.0  # the constant part of the sound says nothing
    return triangles


def _mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    mel: NDArray[np.float64] = 2595.0 * np.log10(1.0 + hz / 700.0)
    return mel


def strongest(probabilities: NDArray[np.float32], names: Sequence[str]) -> SoundTags:
    """The NUM_TAGS most probable sounds of every row [N, number of names]; of equal ones the first in `names`."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :NUM_TAGS]
    kept = np.take_along_axis(probabilities, order, axis=1)
    return SoundTags(tuple(names), order.astype(np.uint16), kept.astype(np.float16))


def _read(manifest: EncoderManifest, folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} of {manifest.title} cannot be read ({error.strerror}); get it again") from error
    if sha256(content).hexdigest() != manifest.files[name].sha256:
        raise WeightsError(f"{path} is not the file that the manifest of {manifest.title} names; get it again")
    return content


def _check(session: InferenceSession, manifest: EncoderManifest, path: Path) -> None:
    found = {each.name: tuple(each.shape) for each in session.get_inputs()}
    needed = {manifest.graph.input: manifest.graph.input_shape}
    if found != needed:
        raise WeightsError(f"{path} takes {found}, the manifest of {manifest.title} says {needed}; mend the manifest")


def _input_type(session: InferenceSession) -> np.dtype[np.generic]:
    kinds = {"tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(float)": np.float32}
    return np.dtype(kinds[session.get_inputs()[0].type])
