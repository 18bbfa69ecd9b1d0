"""Jobs for workers in processes of their own: encoders small enough to load at once, and videos named for trouble."""

import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avadclip.apps.archive.extraction import ExtractionWork
from avadclip.encoders.base import Encoders
from avadclip.timeline import SnippetGrid

SLOW_SECONDS = 0.4


class Thumbnail:
    """Four pixels of every frame, exactly. See base.VisualEncoder."""

    name = "thumbnail"
    dim = 24
    frame_offsets = (0, 8)
    frame_size = (2, 2)
    num_crops = 1
    snippets_per_batch = 2

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        return frame

    def encode(self, frames: list) -> np.ndarray:
        return np.array(frames, np.float32).reshape(1, -1, self.dim)

    def identity(self) -> dict:
        return {"name": self.name, "version": 1}


class Loudness:
    """Level of every window beside that of the recording. See base.AudioEncoder."""

    name = "loudness"
    dim = 1
    window_seconds = 0.5
    reads_once = False

    def encode_recording(self, read_windows: Callable[[], Iterator[np.ndarray]]) -> np.ndarray:
        levels = np.concatenate([np.square(batch).mean(axis=1, keepdims=True) for batch in read_windows()])
        return (levels / levels.mean()).astype(np.float32)

    def identity(self) -> dict:
        return {"name": self.name, "version": 1}


class ShortSighted(Thumbnail):
    """Gives features whose last bits depend on the batch: what ranges must not change."""

    def encode(self, frames: list) -> np.ndarray:
        return super().encode(frames) + np.float32(len(frames))


@dataclass(frozen=True)
class TinyJob:
    """Like ExtractionJob; `log` is a file with a line, `PID NAME`, for every video whose features were made."""

    log: str
    device: str = "cpu"
    audio_track: int | None = None

    def load(self) -> "TinyWork":
        return TinyWork(self)

    def output_name(self, place: str) -> str:
        return f"{place}.safetensors"

    def result_names(self, place: str) -> tuple[str]:
        return (self.output_name(place),)


class TinyWork(ExtractionWork):
    def __init__(self, job: TinyJob) -> None:
        super().__init__(tiny_encoders(), SnippetGrid(), job.audio_track)
        self.log = Path(job.log)

    def make(self, features, source, media, folder):
        with self.log.open("a") as log:
            log.write(f"{os.getpid()} {Path(source.name).stem}\n")
        trouble = Path(source.name).stem.partition("-")[0]
        if trouble == "hang":
            time.sleep(600)
        if trouble == "crash" or (trouble == "crashonce" and self._times(source.name) == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if trouble == "slow":
            time.sleep(SLOW_SECONDS)
        return super().make(features, source, media, folder)

    def _times(self, name: str) -> int:
        return sum(line.split()[1] == Path(name).stem for line in self.log.read_text().splitlines())


def tiny_encoders(*, by_batch: bool = False) -> Encoders:
    return Encoders("tiny", ShortSighted() if by_batch else Thumbnail(), Loudness(), text=None)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":  # a driver to be killed: JOB-LOG VIDEOS OUT RAY-ADDRESS
    import ray

    from avadclip.apps.archive.run import run_archive
    from avadclip.apps.archive.sources import local_source

    ray.cloudpickle.register_pickle_by_value(sys.modules["__main__"])
    log, videos, out, address = sys.argv[1:]
    found = [local_source(path, Path(videos)) for path in sorted(Path(videos).iterdir())]
    for outcome in run_archive(TinyJob(log), found, out, ray_address=address, num_workers=2):
        sys.stdout.write(f"{outcome.status}\n")
        sys.stdout.flush()
