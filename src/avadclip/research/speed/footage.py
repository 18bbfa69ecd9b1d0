"""Generated video for benchmarks: a camera pans over a street-like texture with moving objects."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

RATE_HZ = 24  # the model's, so that every frame reader counts the same snippets
NOISE = 2.0  # deviation in grey levels: a sensor's, without which the decoder would have nothing to do
NUM_THINGS = 6
# With AVX-512, x264 165 gives other quantisers for the same frames in some makings, on one thread too; without its
# macroblock tree it does not.
X264_OPTIONS = {"preset": "veryfast", "threads": "1", "mbtree": "0"}


def write_footage(path: Path, *, height: int, seconds: float) -> None:
    """Write 16:9 H.264 without sound; the same file for the same arguments on one machine.

    Args:
        path: a name that ends in .mp4.
        height: in pixels, even.
        seconds: length.
    """
    width = height * 16 // 9 // 2 * 2
    random = np.random.default_rng(0)
    street = _texture(random, height * 2, width * 2)
    things = [_texture(random, height // 6, width // 12) for _ in range(NUM_THINGS)]
    speeds = random.uniform(-0.2, 0.2, size=(NUM_THINGS, 2))  # picture heights a second
    places = random.uniform(0, 1, size=(NUM_THINGS, 2))
    noise = random.normal(scale=NOISE, size=(height * 2, width * 2, 1))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE_HZ, options=X264_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(round(seconds * RATE_HZ)):
            time = index / RATE_HZ
            pan = round((0.5 + 0.5 * np.sin(time / 5)) * height)
            picture = street[pan : pan + height, pan : pan + width].astype(np.float32)
            for thing, speed, place in zip(things, speeds, places, strict=True):
                top, left = (np.array([height, width]) * ((place + speed * time) % 0.8)).astype(int)
                picture[top : top + thing.shape[0], left : left + thing.shape[1]] = thing
            shift = random.integers(0, height, size=2)
            picture += noise[shift[0] : shift[0] + height, shift[1] : shift[1] + width]
            frame = av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8))
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))


def _texture(random: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Blobs of several sizes on each other, [H, W, 3]."""
    layers = []
    for cell in (4, 16, 64):
        coarse = random.integers(0, 256, (height // cell + 2, width // cell + 2, 3), dtype=np.uint8)
        layers.append(np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.float32))
    texture: NDArray[np.uint8] = (sum(layers) / len(layers)).astype(np.uint8)  # type: ignore[union-attr]
    return texture
