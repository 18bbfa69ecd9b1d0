"""How fast the `clip` encoders run: `python benchmarks/clip_speed.py [threads]`. Weights are random, speed is not."""

import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from avadclip.encoders.clip import Clip
from avadclip.encoders.clip_visual import IMAGES_PER_BATCH, ClipVisualEncoder
from avadclip.encoders.preprocess import crop_frame
from avadclip.encoders.wav2clip import Wav2Clip, Wav2ClipEncoder

REPEATS = 3  # the best of them counts: everything else is somebody else's work on the machine
PROMPT_TOKENS = 24  # SOS, 10 + 10 learned vectors, a class of two words, EOT


def best_seconds(call: Callable[[], object]) -> float:
    """Shortest wall-clock time of one call, in seconds, after a first one that does not count."""
    call()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


@torch.inference_mode()
def main(threads: int) -> None:
    """Print one line per measurement."""
    torch.set_num_threads(threads)
    random = np.random.default_rng(0)
    clip = Clip()
    visual, audio = ClipVisualEncoder(clip), Wav2ClipEncoder(Wav2Clip())

    frames = [random.integers(0, 256, (360, 640, 3), dtype=np.uint8) for _ in range(IMAGES_PER_BATCH)]
    prepared = [visual.prepare(frame) for frame in frames]
    print(f"threads: {threads}")
    print(f"preprocess 640x360: {best_seconds(lambda: [crop_frame(f) for f in frames]) / len(frames) * 1e3:.2f} ms")
    print(f"CLIP picture: {len(frames) / best_seconds(lambda: visual.encode(prepared)):.2f} frames/s")

    windows = random.uniform(-1, 1, (64, 16_000)).astype(np.float32)
    seconds = best_seconds(lambda: audio.encode_recording(lambda: iter([windows])))
    print(f"Wav2CLIP, both passes: {len(windows) / seconds:.0f} windows of 1 s a second")

    prompts = torch.randn(7, clip.config.num_positions, clip.config.text_width)
    for last in (PROMPT_TOKENS - 1, clip.config.num_positions - 1):
        ends = torch.full((7,), last)
        seconds = best_seconds(lambda ends=ends: clip.encode_text_embeddings(prompts, ends))
        print(f"CLIP text, 7 classes, {last + 1} of 77 positions: {seconds * 1e3:.0f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else torch.get_num_threads())
