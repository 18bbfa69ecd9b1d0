"""`--precision auto`: choice of the fastest precision of `clip` that agrees with fp32 on the user's own frames.

Features of any two frames have a high cosine similarity, so the sample's mean feature is subtracted first. The choice
is cached for the user, per machine and weights.
"""

import hashlib
import itertools
import json
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from platformdirs import user_cache_path
from pydantic import BaseModel, ConfigDict, ValidationError

from avadclip.encoders.base import Frame, VisualEncoder
from avadclip.encoders.device import choose_device
from avadclip.encoders.load import EncoderOptions, load_encoders
from avadclip.encoders.precision import Precision, precisions_on
from avadclip.errors import MediaError
from avadclip.files import write_atomically
from avadclip.media.video import VideoReader

LOWEST_COSINE = 0.98  # of any frame of the sample
LOWEST_SAME_NEIGHBOUR = 0.95  # of the frames
SAMPLE_FRAMES = 64
SAMPLE_VIDEOS = 8
SAMPLE_STEP_SECONDS = 4.0
FEWEST_FRAMES = 16  # distinct frames; fewer are too few to compare neighbours


class Agreement(NamedTuple):
    """Agreement of one precision's features with those in fp32."""

    cosine: float
    """Lowest cosine of all frames, after subtracting the sample's mean feature in fp32."""
    same_neighbour: float
    """Share of frames with the same nearest neighbour."""

    @property
    def passes(self) -> bool:
        """Whether the precision is close enough to fp32."""
        return self.cosine >= LOWEST_COSINE and self.same_neighbour >= LOWEST_SAME_NEIGHBOUR


class PrecisionChoice(BaseModel):
    """Result of `auto`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    precision: Precision
    reason: str
    """One line with the measurements."""


def choose_precision(spec: str, options: EncoderOptions, videos: Sequence[Path]) -> PrecisionChoice:
    """Choose the fastest precision that passes the check, or return the cached choice of this machine.

    Args:
        spec: as for load_encoders.
        options: other options of the encoders; their precision is ignored.
        videos: sources of sample frames, from their first minutes; unreadable ones are skipped.

    Raises:
        ConfigError, WeightsError: as load_encoders.
    """
    options = options.model_copy(update={"device": choose_device(options.device, spec)})
    reference = _visual(spec, options, "fp32")
    if spec.partition(":")[0] != "clip":
        return PrecisionChoice(precision="fp32", reason=f"{spec} supports no other")
    remembered = user_cache_path("avadclip") / f"precision-{_key(reference, options.device)}.json"
    if (choice := _read(remembered)) is not None:
        return choice.model_copy(update={"reason": f"cached measurement of this machine: {choice.reason}"})
    frames = sample_frames(videos, reference)
    if len(frames) < FEWEST_FRAMES:
        reason = (
            f"only {len(frames)} distinct frames in the sample, {FEWEST_FRAMES} are needed to check another precision"
        )
        return PrecisionChoice(precision="fp32", reason=reason)
    choice = _measure(spec, options, reference, frames)
    try:
        write_atomically(remembered, choice.model_dump_json())
    except OSError as error:
        return choice.model_copy(update={"reason": f"{choice.reason} (not cached: {error})"})
    return choice


def agreement(reference: NDArray[np.float32], found: NDArray[np.float32]) -> Agreement:
    """Compare features of the same frames, both [N, D], N of 3 or more."""
    mean = reference.mean(axis=0)
    ours, others = (_unit(rows - mean) for rows in (reference, found))
    neighbours = [_nearest(rows) for rows in (ours, others)]
    return Agreement(float((ours * others).sum(axis=1).min()), float((neighbours[0] == neighbours[1]).mean()))


def sample_frames(videos: Sequence[Path], encoder: VisualEncoder) -> list[Frame]:
    """Sample distinct frames from the first minutes of some of the videos, prepared for the encoder."""
    chosen = [videos[i * len(videos) // SAMPLE_VIDEOS] for i in range(SAMPLE_VIDEOS)] if videos else []
    chosen = list(dict.fromkeys(chosen))
    found: dict[bytes, Frame] = {}
    for path in chosen:
        found |= {frame.tobytes(): frame for frame in _frames_of(path, encoder, -(-SAMPLE_FRAMES // len(chosen)))}
    return list(found.values())


def _frames_of(path: Path, encoder: VisualEncoder, num_frames: int) -> Iterator[Frame]:
    times = (number * SAMPLE_STEP_SECONDS for number in range(num_frames))
    try:
        yield from map(encoder.prepare, VideoReader(path, frame_size=encoder.frame_size).frames_at(times))
    except (MediaError, OSError):
        return  # extraction will report the error


def _measure(spec: str, options: EncoderOptions, reference: VisualEncoder, frames: list[Frame]) -> PrecisionChoice:
    expected, reference_rate = _encode(reference, frames)
    rates: dict[Precision, float] = {"fp32": reference_rate}
    findings = [f"fp32 {reference_rate:.1f} frames/s"]
    for precision in precisions_on(options.device)[1:]:
        features, rate = _encode(_visual(spec, options, precision), frames)
        agrees = agreement(expected, features)
        if agrees.passes:
            rates[precision] = rate
        findings.append(
            f"{precision} {rate:.1f} frames/s, cosine {agrees.cosine:.4f}, "
            f"same neighbour {agrees.same_neighbour:.0%}{'' if agrees.passes else ', differs too much from fp32'}"
        )
    fastest = max(rates, key=rates.__getitem__)
    return PrecisionChoice(precision=fastest, reason=f"{'; '.join(findings)} on {len(frames)} frames")


def _encode(encoder: VisualEncoder, frames: list[Frame]) -> tuple[NDArray[np.float32], float]:
    """Features [N, D] of the first crop, and frames per second."""
    per_snippet = len(encoder.frame_offsets)
    repeated = list(itertools.chain.from_iterable([frame] * per_snippet for frame in frames))
    encoder.encode(repeated[:per_snippet])  # warm-up, excluded from the timing
    start = time.perf_counter()
    features = encoder.encode(repeated)[0]
    return features, len(repeated) / (time.perf_counter() - start)


def _visual(spec: str, options: EncoderOptions, precision: Precision) -> VisualEncoder:
    return load_encoders(spec, options.model_copy(update={"precision": precision, "sound": False})).visual


def _key(encoder: VisualEncoder, device: str) -> str:
    """Cache key of everything that affects speed and accuracy: weights and framing, machine and libraries."""
    known = {
        "encoder": encoder.identity(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "machine": [platform.node(), platform.machine(), torch.backends.cpu.get_cpu_capability()],
        "threads": torch.get_num_threads(),
        "libraries": [torch.__version__, onnxruntime.__version__],
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]


def _read(path: Path) -> PrecisionChoice | None:
    try:
        return PrecisionChoice.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def _nearest(rows: NDArray[np.float32]) -> NDArray[np.intp]:
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -np.inf)
    nearest: NDArray[np.intp] = similarity.argmax(axis=1)
    return nearest
