"""Whether a watch holds its memory: `python benchmarks/live_memory.py [--minutes 30] [--speed 4]`.

One real video with sound, looped, is watched faster than it was filmed, with the starter model, recordings around
events and a state folder. Prints the resident memory of the watch and of the camera's process against the video's time,
and fails where either grows after its first five minutes by more than LIMIT_MB.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import psutil
from memory import loop, shrink, source_video

from avadclip.apps.live.messages import EventMessage, Message, ScoreMessage

WARM_UP_MINUTES = 5.0
LIMIT_MB = 20.0
STEP_MINUTES = 1.0
THRESHOLD = 0.2  # low: the video holds no fight, and events are to happen


class Curve:
    """Takes what a watch says, and reads its memory as the video goes on."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float, float]] = []
        """Minute of the video, MB of the watch, MB of the camera's process."""
        self.num_snippets = 0
        self.num_events = 0
        self._first: float | None = None

    def take(self, message: Message) -> None:
        """One message."""
        if isinstance(message, EventMessage):
            self.num_events += message.type == "new"
        if not isinstance(message, ScoreMessage):
            return
        self.num_snippets += 1
        self._first = message.start if self._first is None else self._first
        minute = (message.end - self._first) / 60
        if minute >= len(self.points) * STEP_MINUTES:
            watch = psutil.Process()
            children = sum(child.memory_info().rss for child in watch.children(recursive=True))
            self.points.append((minute, watch.memory_info().rss / 1e6, children / 1e6))
            print("minute {:5.1f}: watch {:6.1f} MB, camera {:6.1f} MB".format(*self.points[-1]), flush=True)


def watch_for(minutes: float, speed: float) -> Curve:
    """Watch so many minutes of video."""
    # Here, as the camera's process imports this file: it is to weigh what it weighs in `avadclip watch`.
    from avadclip.apps.live.config import WatchConfig
    from avadclip.apps.live.watch import Watch, load_live_detector
    from avadclip.config import parse_config

    curve = Curve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shrink(source_video(), folder / "small.mp4")
        loop(folder / "small.mp4", folder / "long.mp4", minutes)
        camera = {"source": str(folder / "long.mp4"), "speed": speed, "threshold": THRESHOLD}
        recording = {"folder": str(folder / "recordings"), "max_seconds": 60, "max_gigabytes": 0.05}
        content = {"cameras": {"loop": camera}, "recording": recording, "state": str(folder / "state")}
        config = parse_config(content, WatchConfig, origin="benchmark")
        watch = Watch(config, load_live_detector(config), curve.take)
        begun = time.monotonic()
        watch.run()
        stats = watch.stats().cameras["loop"]
        print(f"{minutes:g} minutes of video in {(time.monotonic() - begun) / 60:.1f} minutes: ", end="")
        print(f"{curve.num_snippets} scores, {curve.num_events} events, {stats.dropped_frames} frames dropped")
    return curve


def main() -> None:
    """Watch, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--speed", type=float, default=4.0)
    parser.add_argument("--out", type=Path, help="write the curve as JSON")
    arguments = parser.parse_args()
    curve = watch_for(arguments.minutes, arguments.speed)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(curve.points))
    settled = [point for point in curve.points if point[0] >= min(WARM_UP_MINUTES, arguments.minutes / 2)]
    growth = [max(point[i] for point in settled) - settled[0][i] for i in (1, 2)]
    print(f"growth after {settled[0][0]:.0f} minutes: watch {growth[0]:.1f} MB, camera {growth[1]:.1f} MB")
    if max(growth) > LIMIT_MB:
        sys.exit(f"more than {LIMIT_MB:g} MB")


if __name__ == "__main__":
    main()
