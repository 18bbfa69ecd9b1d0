"""Processor time that an hour of video costs, by encoders and picture size: `python benchmarks/archive_cost.py`.

A video written here is extracted, picture only, on one thread, whole and by half: the second half's share shows that
cost grows with length and nothing else. Processor time, not the clock's, so other work on the machine disturbs it less.
CLIP has random weights, which cost the same.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch reads it

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from avadclip.encoders.base import VisualEncoder
from avadclip.encoders.clip import Clip
from avadclip.encoders.clip_visual import ClipVisualEncoder
from avadclip.encoders.lite import LiteVisualEncoder
from avadclip.features.extract import encode_picture
from avadclip.media.video import VideoReader
from avadclip.research.speed.footage import write_footage
from avadclip.timeline import SnippetGrid

HOUR = 3600.0  # seconds
GRID = SnippetGrid()


def encoders() -> dict[str, Callable[[], VisualEncoder]]:
    """What is compared."""
    torch.manual_seed(0)
    clip = Clip()
    return {
        "lite": LiteVisualEncoder,
        "clip, fp32": lambda: ClipVisualEncoder(clip),
        "clip, bf16": lambda: ClipVisualEncoder(clip, precision="bf16"),
        "clip, int8": lambda: ClipVisualEncoder(clip, precision="int8"),
    }


def decode(path: Path) -> None:
    """Read a video and convert one picture of each snippet, as CLIP needs them."""
    for _ in VideoReader(path).frames_at(GRID.frame_times((0,))):
        pass


def extract(path: Path, encoder: VisualEncoder) -> None:
    """Features of a video's picture."""
    encode_picture(VideoReader(path, frame_size=encoder.frame_size), path, encoder, GRID)


def processor_seconds(work: Callable[[], object]) -> float:
    """Of all threads of this process."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=24.0, help="length of the video")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as name:
        for height in (360, 1080):
            whole, half = Path(name) / f"{height}.mp4", Path(name) / f"{height}-half.mp4"
            write_footage(whole, height=height, seconds=seconds)
            write_footage(half, height=height, seconds=seconds / 2)
            per_hour = processor_seconds(lambda path=whole: decode(path)) / seconds * HOUR
            print(f"{height}p, decoding alone: {per_hour:.0f} processor seconds an hour of video", flush=True)
            for label, make in encoders().items():
                encoder = make()
                extract(half, encoder)  # to warm up
                spent = {path: processor_seconds(lambda p=path, e=encoder: extract(p, e)) for path in (half, whole)}
                num_bytes = encoder.num_crops * encoder.dim * 4 * HOUR / GRID.snippet_seconds
                print(
                    f"{height}p, {label}: {spent[whole] / seconds * HOUR:.0f} processor seconds an hour of video; "
                    f"twice the length costs {spent[whole] / spent[half]:.2f} times; "
                    f"features {num_bytes / 1e6:.1f} MB an hour",
                    flush=True,
                )


if __name__ == "__main__":
    main()
