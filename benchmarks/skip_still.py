"""What `--skip-still` saves and changes: `python benchmarks/skip_still.py [--scene VIDEO] [VIDEO OR FOLDER ..]`.

First still footage, generated: the first frame of a video with sensor noise and flicker, as H.264. It is extracted with
`lite`, and with CLIP ViT-B/16 of random weights, which costs what the real one does; fully and with still footage
skipped, in turns. Then the named videos with `lite` and `starter`: how much is encoded, the features against full ones,
and whether the events are the same.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import torch
from memory import source_video
from numpy.typing import NDArray

from avadclip.apps.cli.inputs import expand_inputs
from avadclip.encoders.base import Encoders, Frame
from avadclip.encoders.clip import Clip
from avadclip.encoders.clip_visual import ClipVisualEncoder
from avadclip.encoders.load import load_encoders
from avadclip.errors import MediaError
from avadclip.features.extract import extract_features
from avadclip.features.skip_still import LOWEST_COSINE
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.detector import Detection, Detector, load_detector
from avadclip.media.probe import MediaFile
from avadclip.media.video import VideoReader

HEIGHT, WIDTH, RATE_HZ = 360, 640, 15
NOISE = 4.0  # grey levels, standard deviation of every pixel
FLICKER = 0.01  # of the brightness, standard deviation of every frame


def first_frame(video: Path) -> Frame:
    """Of a video, [H, W, 3]."""
    return next(iter(VideoReader(video, frame_size=(HEIGHT, WIDTH)).frames_at([0.0])))


def write_still(path: Path, scene: Frame, seconds: float) -> None:
    """The still footage."""
    random = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE_HZ, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for _ in range(round(seconds * RATE_HZ)):
            shown = scene * (1 + random.normal(0, FLICKER)) + random.normal(0, NOISE, (HEIGHT, WIDTH, 1))
            frame = av.VideoFrame.from_ndarray(shown.clip(0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def timed(call: Callable[[], SnippetFeatures]) -> tuple[SnippetFeatures, float, float]:
    """Result, wall-clock and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    features = call()
    return features, time.perf_counter() - wall, time.process_time() - processor


def compare_speed(name: str, video: Path, encoders: Encoders, rounds: int) -> None:
    """Print how much faster still footage is extracted when it is skipped."""
    ratios = []
    for _ in range(rounds):
        _, wall, processor = timed(lambda: extract_features(video, encoders))
        skipped, wall_skipped, processor_skipped = timed(
            lambda: extract_features(video, encoders._replace(skip_still=True))
        )
        ratios.append((wall / wall_skipped, processor / processor_skipped))
        print(
            f"{name}: full {wall:.1f} s ({processor:.1f} s of processor), skipped {wall_skipped:.1f} s "
            f"({processor_skipped:.1f} s); {skipped.notes[-1]}",
            flush=True,
        )
    walls, processors = np.array(ratios).T
    print(
        f"{name}: {np.median(walls):.1f} times as fast ({walls.min():.1f} to {walls.max():.1f}), "
        f"{np.median(processors):.1f} times less processor time",
        flush=True,
    )


def centred_cosines(full: SnippetFeatures, skipped: SnippetFeatures, centre: NDArray[np.float32]) -> list[float]:
    """Cosines of the snippets whose features were reused, after subtracting the centre."""
    pairs = zip(full.visual[0] - centre, skipped.visual[0] - centre, strict=True)
    cosines = [(one @ other) / np.linalg.norm(one) / np.linalg.norm(other) for one, other in pairs]
    is_reused = (full.visual[0] != skipped.visual[0]).any(axis=1)
    return [float(cosine) for cosine, reused in zip(cosines, is_reused, strict=True) if reused]


def events_of(found: Detection) -> list[tuple[str, str, float, float]]:
    """What is decided: label, severity, start and end of every event."""
    return [(event.label, event.severity, event.start, event.end) for event in found.events]


def compare_videos(videos: list[Path], detector: Detector) -> None:
    """Print how features and events of ordinary videos change."""
    full, skipping = detector.encoders, detector.encoders._replace(skip_still=True)
    pooled: list[tuple[SnippetFeatures, SnippetFeatures, MediaFile]] = []
    for video in videos:
        try:
            media = MediaFile.open(video)
            pooled.append((extract_features(media, full), extract_features(media, skipping), media))
        except MediaError as error:
            print(f"left out: {error}")
    centre = np.concatenate([whole.visual[0] for whole, _, _ in pooled]).mean(axis=0)
    cosines, num_same = [], 0
    for whole, skipped, media in pooled:
        cosines += (own := centred_cosines(whole, skipped, centre))
        judged = [
            events_of(detector.judge(each, media.info, source=media.path.name))
            for each in (whole, SnippetFeatures(**{**vars(skipped), "provenance": whole.provenance}))
        ]
        num_same += judged[0] == judged[1]
        if own or judged[0] != judged[1]:
            lowest = f", lowest cosine {min(own):.3f}" if own else ""
            print(f"{media.path.name}: {skipped.notes[-1]}{lowest}")
        if judged[0] != judged[1]:
            print(f"  EVENTS DIFFER: full {judged[0]}\n  skipped {judged[1]}")
    num_snippets = sum(len(whole) for whole, _, _ in pooled)
    print(f"{len(pooled)} videos, {num_snippets} snippets, {len(cosines)} of them reused; same events in {num_same}")
    if cosines:
        share = np.mean(np.array(cosines) >= LOWEST_COSINE)
        print(
            f"cosine of reused features, centred on the mean of all: lowest {min(cosines):.3f}, 5 % quantile "
            f"{np.quantile(cosines, 0.05):.3f}, median {np.median(cosines):.3f}; {LOWEST_COSINE:g} or more: {share:.0%}"
        )


def all_encoders() -> Iterator[tuple[str, Encoders]]:
    """The encoders that are timed, picture only."""
    torch.manual_seed(0)
    yield "lite", load_encoders("lite")
    yield "CLIP of random weights", Encoders("clip", ClipVisualEncoder(Clip()), None, None)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", help="videos or folders to compare")
    parser.add_argument("--seconds", type=float, default=120.0, help="length of the still footage")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--scene", type=Path, help="video whose first frame the still footage shows")
    options = parser.parse_args()
    if options.seconds:
        with tempfile.TemporaryDirectory() as folder:
            video = Path(folder) / "still.mp4"
            write_still(video, first_frame(options.scene or source_video()), options.seconds)
            for name, encoders in all_encoders():
                compare_speed(name, video, encoders, options.rounds)
    if options.videos:
        compare_videos(expand_inputs(options.videos).videos, load_detector("starter"))


if __name__ == "__main__":
    main()
