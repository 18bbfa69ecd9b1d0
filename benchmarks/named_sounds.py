"""What naming sounds costs: `python benchmarks/named_sounds.py [--before path/to/another/src]`.

One real video with sound, looped, is given to `avadclip detect` and `avadclip watch`, with named sounds and without, in
turns, each in a process of its own. Prints the ratios of processor time and the differences of peak memory within each
round. `--before` adds another version of the package, such as what `git archive TAG src` writes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from memory import loop, shrink, source_video

SIZE = (640, 360)
MAX_RATIO, MAX_MEGABYTES = 1.1, 60.0  # of processor time, and of memory beyond the others


class Cost(NamedTuple):
    """Of one process and its children."""

    seconds: float
    """Of the processor."""
    megabytes: float
    """Peak of its largest process."""


def cost_of(command: list[str], source_folder: Path | None) -> Cost:
    """Run it to the end."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    if source_folder is not None:
        environment["PYTHONPATH"] = str(source_folder)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"named_sounds: {' '.join(command)} failed")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3))


def main() -> None:
    """Print a table per command; exit code 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="`src` of another version")
    parser.add_argument("--minutes", type=float, default=3.0, help="length of the video")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ways: dict[str, tuple[list[str], Path | None]] = {"without sounds": (["--no-sounds"], None)}
    if options.before is not None:
        ways[f"{options.before}"] = ([], options.before.resolve())
    ways["with sounds"] = ([], None)
    is_over = False
    with tempfile.TemporaryDirectory() as name:
        small, video = Path(name) / "small.mp4", Path(name) / "video.mp4"
        shrink(source_video(), small, SIZE)
        loop(small, video, options.minutes)
        for words in (["detect", str(video)], ["watch", str(video), "--speed", "4"]):
            rounds: list[dict[str, Cost]] = []
            for _ in range(options.rounds):
                rounds.append({})
                for label, (arguments, folder) in ways.items():
                    command = [sys.executable, "-m", "avadclip", *words, "--model", "starter", *arguments]
                    rounds[-1][label] = cost_of(command, folder)
            print(f"{words[0]}, {options.minutes:g} minutes of video")
            for label in list(ways)[:-1]:
                ratios = [each["with sounds"].seconds / each[label].seconds for each in rounds]
                more = [each["with sounds"].megabytes - each[label].megabytes for each in rounds]
                time = f"{median(ratios):.2f} times the processor time ({min(ratios):.2f} to {max(ratios):.2f})"
                memory = f"{median(more):.0f} MB more ({min(more):.0f} to {max(more):.0f})"
                print(f"  with sounds against {label}: {time}, {memory}", flush=True)
                is_over |= median(ratios) > MAX_RATIO or median(more) > MAX_MEGABYTES
    sys.exit(is_over)


if __name__ == "__main__":
    main()
