"""Memory and time of an archive's manifest with a million videos: `python benchmarks/archive_manifest.py [--videos N]`.

One process writes a row for every video, as a run does; another finds every row again, as the next run does. Of
each, processor time and peak memory (with the imports) are printed. The program fails where a peak is above the limit.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from avadclip.apps.archive.manifest import MANIFEST, ManifestRow, now, open_manifest
from avadclip.apps.archive.storage import Storage

LIMIT_MB = 200


def row(number: int) -> ManifestRow:
    """A row as long as those of a camera's archive."""
    place = f"camera{number % 500:03d}/2026-11-30/{number:09d}"
    return ManifestRow(
        f"/archive/{place}.mp4",
        "done",
        seconds=1.5,
        attempts=1,
        source_bytes=12_345_678 + number,
        source_version=str(1_764_500_000_000_000_000 + number),
        source_sha256=hashlib.sha256(place.encode()).hexdigest(),
        output=f"/features/{place}.safetensors",
        output_bytes=55_000 + number,
        made_by="a" * 64,
        finished_at=now(),
    )


def work(step: str, folder: str, num_videos: int) -> None:
    """What a measured process does: nothing but its imports, `write`, or `find`."""
    if step == "import":
        return
    with open_manifest(Storage(folder), print) as manifest:
        for number in range(num_videos):
            if step == "write":
                manifest.put(row(number))
            elif manifest.get(row(number).source) is None:
                sys.exit(f"archive_manifest: row {number} is missing")


def peak_mb(step: str, folder: str, num_videos: int) -> float:
    """Run a step in a process of its own, print what it took, and return its peak memory."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, __file__, "--step", step, folder, "--videos", str(num_videos)])
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"archive_manifest: {step} failed")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6  # bytes in what the system counts
    processor, wall = usage.ru_utime + usage.ru_stime, time.perf_counter() - started
    print(f"{step}: peak {peak:.0f} MB, {processor:.1f} s of processor time in {wall:.1f} s", flush=True)
    return peak


def main() -> None:
    """Measure, print, and fail above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=1_000_000)
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        work(*options.step, options.videos)
        return
    with tempfile.TemporaryDirectory() as folder:
        peaks = [peak_mb(step, folder, options.videos) for step in ("import", "write", "find")]
        size = (Path(folder) / MANIFEST).stat().st_size / options.videos
    print(f"{options.videos} rows of {size:.0f} bytes on disk; limit {LIMIT_MB} MB")
    sys.exit(max(peaks) > LIMIT_MB)


if __name__ == "__main__":
    main()
