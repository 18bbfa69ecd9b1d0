"""How much faster two worker processes extract an archive than one: `python benchmarks/archive.py [--rounds 2]`.

Eight videos of 360p, written here, go through the whole of `run_archive`: Ray, CLIP ViT-B/16 with random weights on one
thread in each worker, feature files, manifest. One and two workers take turns. The time is that of the whole run, the
workers' start and the loading of networks included; only Ray itself is started before. The program fails where two
workers are not 1.6 times as fast as one (median of the rounds), or their files differ.
"""

import argparse
import logging
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import ray
import torch

from avadclip.apps.archive.extraction import ExtractionWork
from avadclip.apps.archive.run import run_archive
from avadclip.apps.archive.sources import VideoSource, local_source
from avadclip.encoders.base import Encoders
from avadclip.encoders.clip import Clip
from avadclip.encoders.clip_visual import ClipVisualEncoder
from avadclip.research.speed.footage import write_footage
from avadclip.timeline import SnippetGrid

NUM_VIDEOS = 8
VIDEO_SECONDS = 8.0
NEEDED_RATIO = 1.6


@dataclass(frozen=True)
class RandomClipJob:
    """Extraction as by `avadclip extract --encoders clip --no-sound`, without downloaded weights. See job.Job."""

    device: str = "cpu"

    def load(self) -> ExtractionWork:
        """The same random weights in every worker."""
        torch.manual_seed(0)
        return ExtractionWork(Encoders("clip", ClipVisualEncoder(Clip()), audio=None, text=None), SnippetGrid())

    def output_name(self, place: str) -> str:
        """The feature file."""
        return f"{place}.safetensors"

    def result_names(self, place: str) -> tuple[str]:
        """The feature file alone."""
        return (self.output_name(place),)


def write_archive(folder: Path) -> list[VideoSource]:
    """One video under several names; each is read and encoded on its own."""
    folder.mkdir()
    paths = [folder / f"{number}.mp4" for number in range(NUM_VIDEOS)]
    write_footage(paths[0], height=360, seconds=VIDEO_SECONDS)
    for path in paths[1:]:
        shutil.copy(paths[0], path)
    return [local_source(path, folder) for path in paths]


def run_once(sources: list[VideoSource], out: Path, num_workers: int) -> float:
    """Seconds that one run takes."""
    started = time.perf_counter()
    outcomes = list(run_archive(RandomClipJob(), sources, str(out), num_workers=num_workers))
    seconds = time.perf_counter() - started
    failures = [outcome.message for outcome in outcomes if outcome.status != "done"]
    if failures:
        sys.exit(f"failed: {failures[0]}")
    return seconds


def main() -> None:
    """Measure, print, and fail where it is not fast enough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    rounds = parser.parse_args().rounds
    os.environ["OMP_NUM_THREADS"] = "1"  # of each worker's network
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = write_archive(folder / "videos")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        seconds: dict[int, list[float]] = {1: [], 2: []}
        for number in range(rounds):
            for num_workers, taken in seconds.items():
                taken.append(run_once(sources, folder / f"{num_workers}-{number}", num_workers))
                print(f"round {number + 1}, workers {num_workers}: {taken[-1]:.1f} s", flush=True)
        ray.shutdown()
        contents = {path.read_bytes() for path in folder.glob("?-*/*.safetensors")}
    ratios = [one / two for one, two in zip(seconds[1], seconds[2], strict=True)]
    print(f"{NUM_VIDEOS} videos of {VIDEO_SECONDS:g} s; 2 workers against 1, whole runs:")
    print(f"  {statistics.median(ratios):.2f} times ({min(ratios):.2f} to {max(ratios):.2f})")
    if len(contents) != 1:
        sys.exit(f"{len(contents)} kinds of feature files were written, 1 was needed")
    if statistics.median(ratios) < NEEDED_RATIO:
        sys.exit(f"needed {NEEDED_RATIO:g} times")


if __name__ == "__main__":
    main()
