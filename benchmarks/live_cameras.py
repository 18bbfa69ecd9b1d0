"""What a watch of several cameras costs: `python benchmarks/live_cameras.py [--cameras 4] [--seconds 90] [--rtsp]`.

`avadclip watch` runs as a process of its own, with store, pictures and recordings, on copies of one real video with
sound at 640x360, as files played at real speed or, with --rtsp, from the tests' RTSP server (pictures without sound;
Debian's GStreamer). Printed: processor time per camera, of the scorer and of the camera's own process; delay from a
snippet's end to its score; video that was dropped. Then one camera is played faster, and memory is printed.
The first WARM_UP_SECONDS count for nothing. Other work on the machine makes every figure worse.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from memory import loop, shrink, source_video

SIZE = (640, 360)  # pixels
WARM_UP_SECONDS = 15.0
SAMPLE_SECONDS = 5.0
MAX_CORES_PER_CAMERA = 0.3
MAX_GROWTH_MB = 20.0
SERVER = Path(__file__).parents[1] / "tests" / "apps" / "live" / "rtsp_server.py"


class Sample(NamedTuple):
    """Processor time and memory of the watch and its cameras' processes."""

    at: float
    watch_seconds: float
    camera_seconds: float
    watch_mb: float
    camera_mb: float


class Run:
    """One `avadclip watch`, followed for some seconds."""

    def __init__(self, folder: Path, cameras: dict[str, dict[str, Any]]) -> None:
        self.scores: list[tuple[float, dict[str, Any]]] = []
        self.stats: dict[str, Any] = {}
        self.samples: list[Sample] = []
        (folder / "data").mkdir()
        config = [f"state = '{folder}/state'", "stats_seconds = 5", f"[store]\ndata = '{folder}/data'"]
        config.append(f"[recording]\nfolder = '{folder}/data/recordings'\nmax_gigabytes = 0.2")
        for name, camera in cameras.items():
            config.append("\n".join([f"[cameras.{name}]", *(f"{key} = {json.dumps(camera[key])}" for key in camera)]))
        (folder / "watch.toml").write_text("\n".join(config))
        command = [sys.executable, "-m", "avadclip", "watch", "--config", str(folder / "watch.toml"), "--scores"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def follow(self, seconds: float) -> None:
        """Sample for so long, or until the watch ends; then stop it."""
        watch, deadline = psutil.Process(self._process.pid), time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(psutil.NoSuchProcess):  # it ends now
                self.samples.append(_sample(watch))
            time.sleep(SAMPLE_SECONDS)
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait()
        self._reader.join()

    def settled(self) -> list[Sample]:
        """The samples after the warm-up."""
        return [sample for sample in self.samples if sample.at - self.samples[0].at >= WARM_UP_SECONDS]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if message["type"] == "score":
                self.scores.append((time.monotonic(), message))
            elif message["type"] == "stats":
                self.stats = message


def _sample(watch: psutil.Process) -> Sample:
    children = watch.children()
    own, times = watch.cpu_times(), [child.cpu_times() for child in children]
    return Sample(
        time.monotonic(),
        own.user + own.system,
        sum(each.user + each.system for each in times),
        watch.memory_info().rss / 1e6,
        sum(child.memory_info().rss for child in children) / 1e6,
    )


@contextmanager
def rtsp_address() -> Iterator[str]:
    """Address of a running server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["/usr/bin/python3", str(SERVER), str(port), "--no-sound"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdout.readline()
        print("size {} {}".format(*SIZE), file=server.stdin, flush=True)
        yield f"rtsp://127.0.0.1:{port}/yard"
    finally:
        server.kill()
        server.wait()


def several(folder: Path, source: str, num_cameras: int, seconds: float) -> bool:
    """Print what cameras at real speed cost; whether that is little enough."""
    run = Run(folder, {f"camera{number}": {"source": source} for number in range(1, num_cameras + 1)})
    run.follow(WARM_UP_SECONDS + seconds)
    settled = run.settled()
    first, last = settled[0], settled[-1]
    passed = last.at - first.at
    watch = (last.watch_seconds - first.watch_seconds) / passed / num_cameras
    reader = (last.camera_seconds - first.camera_seconds) / passed / num_cameras
    delays = [score["delay_seconds"] for at, score in run.scores if first.at <= at <= last.at]
    dropped = sum(camera["dropped_seconds"] for camera in run.stats["cameras"].values())
    print(f"{num_cameras} cameras of {SIZE[0]}x{SIZE[1]}, {passed:.0f} s, load of the machine {os.getloadavg()[0]:.1f}")
    print(f"| processor time per camera | {watch + reader:.2f} cores: {watch:.2f} scorer, {reader:.2f} own process |")
    print("| delay, median and 95th percentile | {:.2f} s, {:.2f} s |".format(*np.percentile(delays, [50, 95])))
    print(f"| scored, dropped | {len(delays)} snippets, {dropped:.1f} s |", flush=True)
    return watch + reader <= MAX_CORES_PER_CAMERA and dropped == 0


def memory(folder: Path, source: str, speed: float, seconds: float) -> bool:
    """Print how memory goes with the video's time; whether it is flat in the last three quarters."""
    run = Run(folder, {"fast": {"source": source, "speed": speed, "threshold": 0.2}})
    run.follow(seconds)
    later = run.samples[len(run.samples) // 4 :]
    dropped = run.stats["cameras"]["fast"]["dropped_seconds"]
    minutes = (run.scores[-1][1]["end"] - run.scores[0][1]["start"]) / 60
    print(f"{minutes:.1f} minutes of video at speed {speed:g}, {dropped:.0f} s dropped")
    print(f"| watch | {later[0].watch_mb:.0f} MB after a quarter, {later[-1].watch_mb:.0f} MB at the end |")
    print(f"| camera's process | {later[0].camera_mb:.0f} MB, {later[-1].camera_mb:.0f} MB |", flush=True)
    return later[-1].watch_mb - later[0].watch_mb <= MAX_GROWTH_MB


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--rtsp", action="store_true")
    parser.add_argument("--memory-seconds", type=float, default=180.0, help="0 leaves the memory out")
    parser.add_argument("--speed", type=float, default=10.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shrink(source_video(), folder / "small.mp4", SIZE)
        loop(folder / "small.mp4", folder / "long.mp4", max(arguments.speed * arguments.memory_seconds / 60, 5.0))
        source = str(folder / "long.mp4")
        for part in ("several", "memory"):
            (folder / part).mkdir()
        if arguments.rtsp:
            with rtsp_address() as address:
                is_good = several(folder / "several", address, arguments.cameras, arguments.seconds)
        else:
            is_good = several(folder / "several", source, arguments.cameras, arguments.seconds)
        if arguments.memory_seconds > 0:
            is_good &= memory(folder / "memory", source, arguments.speed, arguments.memory_seconds)
    if not is_good:
        sys.exit(f"more than {MAX_CORES_PER_CAMERA:g} cores a camera, dropped video, or growing memory")


if __name__ == "__main__":
    main()
