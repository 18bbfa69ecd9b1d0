"""Speed benchmark of extraction, training and scoring (`avadclip benchmark`)."""

import itertools
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from avadclip.encoders.clip import Clip
from avadclip.encoders.clip_visual import ClipVisualEncoder
from avadclip.encoders.precision import Precision
from avadclip.encoders.weights import find_clip, load_clip
from avadclip.errors import MediaError
from avadclip.features.extract import encode_picture
from avadclip.media.probe import probe
from avadclip.media.video import VideoReader
from avadclip.research.speed.footage import write_footage
from avadclip.research.speed.model import NUM_BAGS, scored_window, training_step
from avadclip.research.speed.reference import extract_naively
from avadclip.timeline import WINDOW_SNIPPETS, SnippetGrid

DECODE, ENCODE, WHOLE, NAIVE = "decode only", "encode only", "end to end", "naive reference"
TRAIN, SCORE = "training step", "scoring"
RANDOM_WEIGHTS = "random"


class Timing(NamedTuple):
    """Seconds of one thing, one of each per round."""

    wall: NDArray[np.float64]
    processor: NDArray[np.float64]
    """Of all threads of the process."""


class Spread(NamedTuple):
    """Median, least and most of the rounds."""

    median: float
    least: float
    most: float


def time_in_turns(work: Mapping[str, Callable[[], object]], num_rounds: int) -> dict[str, Timing]:
    """Run everything once to warm up, then in turns, `num_rounds` times."""
    for run in work.values():
        run()
    seconds = np.empty((2, num_rounds, len(work)))
    for number in range(num_rounds):
        for column, run in enumerate(work.values()):
            started = time.perf_counter(), time.process_time()
            run()
            seconds[:, number, column] = time.perf_counter() - started[0], time.process_time() - started[1]
    return {name: Timing(*seconds[:, :, column]) for column, name in enumerate(work)}


def spread(values: NDArray[np.float64]) -> Spread:
    """Of one value per round."""
    return Spread(float(np.median(values)), float(values.min()), float(values.max()))


@dataclass(frozen=True)
class StageSpeed:
    """One thing that was measured."""

    name: str
    what: str
    """What one run of it does."""
    wall_seconds: Spread
    processor_seconds: Spread
    """Of all threads."""


@dataclass(frozen=True)
class SpeedReport:
    """All that one run measured, and on what."""

    machine: dict[str, str | int]
    load_before: tuple[float, float, float] | None
    """Load averages of 1, 5 and 15 minutes before the run; a load above 0 is from other processes. None if unknown."""
    video: str
    num_snippets: int
    snippet_seconds: float
    weights: str
    """`random`, or where they came from."""
    precision: Precision
    num_rounds: int
    stages: tuple[StageSpeed, ...]
    ratios: dict[str, Spread]
    """Of wall-clock times, taken round by round."""


def measure_speed(
    video: Path | None = None,
    *,
    height: int = 360,
    seconds: float = 30.0,
    clip_folder: Path | None = None,
    precision: Precision = "int8",
    num_rounds: int = 3,
) -> SpeedReport:
    """Measure everything in turns.

    Video only, since the naive reference has no audio. One frame per snippet, `centre` framing.

    Args:
        video: a file of constant frame rate; None makes one.
        height: of the made one, in pixels.
        seconds: of the made one.
        clip_folder: CLIP's weights; None takes random ones, which are as fast.
        precision: of our own extraction; the naive reference is fp32.
        num_rounds: that count.

    Raises:
        MediaError: the video cannot be read, or is too short.
        WeightsError: there are no weights in the folder.
    """
    load_before = os.getloadavg() if hasattr(os, "getloadavg") else None
    clip = _random_clip() if clip_folder is None else load_clip(find_clip(clip_folder).weights)
    with tempfile.TemporaryDirectory() as folder:
        path = video
        if path is None:
            path = Path(folder) / "made.mp4"
            write_footage(path, height=height, seconds=seconds)
        media = probe(path)
        grid = SnippetGrid()
        num_snippets = grid.num_snippets(media.duration_seconds)
        if num_snippets == 0:
            raise MediaError(f"{path} is shorter than one snippet; give a longer video")
        encoder = ClipVisualEncoder(clip, precision=precision)
        timings = time_in_turns(_extraction(path, clip, encoder, grid, num_snippets), num_rounds)
    timings |= time_in_turns({TRAIN: training_step(), SCORE: scored_window()}, num_rounds)
    return SpeedReport(
        machine={
            "system": f"{platform.system()} {platform.machine()}",
            "processor": torch.backends.cpu.get_cpu_capability(),
            "cores": os.cpu_count() or 1,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
        load_before=load_before,
        video=f"{'made for this' if video is None else video.name}, {media.width}x{media.height}, "
        f"{media.duration_seconds:.1f} s",
        num_snippets=num_snippets,
        snippet_seconds=grid.snippet_seconds,
        weights=RANDOM_WEIGHTS if clip_folder is None else str(clip_folder),
        precision=precision,
        num_rounds=num_rounds,
        stages=tuple(
            StageSpeed(name, _what(name, num_snippets), spread(timing.wall), spread(timing.processor))
            for name, timing in timings.items()
        ),
        ratios=_ratios(timings),
    )


def _extraction(
    path: Path, clip: Clip, encoder: ClipVisualEncoder, grid: SnippetGrid, num_snippets: int
) -> dict[str, Callable[[], object]]:
    times = list(itertools.islice(grid.frame_times(encoder.frame_offsets), num_snippets))

    def decode() -> None:
        for _ in VideoReader(path).frames_at(grid.frame_times(encoder.frame_offsets)):
            pass

    frames = [encoder.prepare(frame) for frame in VideoReader(path).frames_at(times)]
    return {
        DECODE: decode,
        ENCODE: lambda: encoder.encode(frames),
        WHOLE: lambda: encode_picture(VideoReader(path), path, encoder, grid),
        NAIVE: lambda: extract_naively(path, clip, times),
    }


def _what(name: str, num_snippets: int) -> str:
    if name == TRAIN:
        return f"{NUM_BAGS} bags of {WINDOW_SNIPPETS} snippets, full-size teacher, fp32"
    if name == SCORE:
        return f"a window of {WINDOW_SNIPPETS} snippets, full-size teacher"
    return f"{num_snippets} snippets"


def _ratios(timings: dict[str, Timing]) -> dict[str, Spread]:
    wall = {name: timing.wall for name, timing in timings.items()}
    return {
        "end to end is faster than the naive reference": spread(wall[NAIVE] / wall[WHOLE]),
        "end to end takes longer than encoding alone": spread(wall[WHOLE] / wall[ENCODE]),
        "end to end takes longer than decoding alone": spread(wall[WHOLE] / wall[DECODE]),
    }


def _random_clip() -> Clip:
    torch.manual_seed(0)
    return Clip()
