"""How much more memory `avadclip extract` needs for 3 hours than for 10 minutes: `python benchmarks/extract_memory.py`.

Both videos are one real video with sound, looped without encoding it again. Each is extracted in a process of its own,
and its peak is compared. By default the picture's encoder is a stand-in as wide as `lite` that only averages pixels, so
that the run takes minutes; `--lite` takes the real one.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from memory import loop, shrink, source_video
from numpy.typing import NDArray

from avadclip.encoders.base import Encoders, Frame, Identity, Prepared
from avadclip.encoders.lite import LiteVisualEncoder
from avadclip.encoders.load import load_encoders
from avadclip.encoders.log_mel import LogMelEncoder
from avadclip.features.batch import extract_to_folder

LIMIT_MB = 50  # beyond what the features themselves weigh


class Average:
    """As wide as `lite` and without its network. See base.VisualEncoder."""

    name = "average"
    dim = LiteVisualEncoder.dim
    frame_offsets = LiteVisualEncoder.frame_offsets
    frame_size = (32, 32)
    num_crops = 1
    snippets_per_batch = 4

    def prepare(self, frame: Frame) -> Prepared:
        """The frame itself."""
        return frame

    def encode(self, frames: list[Prepared]) -> NDArray[np.float32]:
        """[1, N, dim]: the mean of each snippet's frames, again and again."""
        snippets = np.stack(frames).reshape(-1, len(self.frame_offsets), *frames[0].shape).mean(axis=(1, 2, 3, 4))
        return np.repeat(snippets[None, :, None], self.dim, axis=2).astype(np.float32)

    def identity(self) -> Identity:
        """See base.Identity."""
        return {"name": self.name, "precision": "fp32"}


def extract(video: Path, out: Path, *, lite: bool) -> None:
    """What the process that is measured does."""
    encoders = load_encoders("lite") if lite else Encoders("average", Average(), LogMelEncoder(), None)
    for outcome in extract_to_folder([video], out, encoders):
        if outcome.status != "done":
            sys.exit(f"extract_memory: {outcome.message}")


def peak_mb(video: Path, out: Path, *, lite: bool) -> tuple[float, float]:
    """Peak memory of a process that extracts a video, and its seconds."""
    command = [sys.executable, __file__, "--child", str(video), str(out), *(["--lite"] if lite else [])]
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"extract_memory: extraction of {video} failed")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes in what the system counts
    return usage.ru_maxrss * unit / 1e6, time.perf_counter() - start


def main() -> None:
    """Print one line per video, and the difference; exit code 1 where it is above the limit, or a file was left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs=2, default=(10.0, 180.0), help="of the short and the long video")
    parser.add_argument("--lite", action="store_true", help="the real encoder; some 20 minutes on 2 cores")
    parser.add_argument("--child", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        extract(*options.child, lite=options.lite)
        return
    peaks, sizes = [], []
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name), Path(name) / "features"
        small = folder / "small.mp4"
        shrink(source_video(), small, (64, 36))
        for minutes in options.minutes:
            video = folder / f"{minutes:g}-minutes.mp4"
            loop(small, video, minutes)
            peak, seconds = peak_mb(video, out, lite=options.lite)
            size = (out / f"{video.stem}.safetensors").stat().st_size / 1e6
            print(f"{minutes:g} minutes: peak {peak:.0f} MB, features {size:.0f} MB, {seconds:.0f} s", flush=True)
            peaks.append(peak)
            sizes.append(size)
        left = sorted(path.name for path in out.iterdir() if path.suffix != ".safetensors" or path.name[0] == ".")
    beyond = peaks[1] - peaks[0] - (sizes[1] - sizes[0])
    print(f"difference beyond the features' own: {beyond:.0f} MB, limit {LIMIT_MB} MB; files left: {left or 'none'}")
    sys.exit(beyond > LIMIT_MB or bool(left))


if __name__ == "__main__":
    main()
