"""Real videos made on the spot: every picture carries its own number, every sound a click at a known time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

CLOCK = Fraction(1, 90_000)  # seconds; divides every frame rate used here


def numbered_picture(number: int, size: tuple[int, int] = (48, 64)) -> NDArray[np.uint8]:
    """RGB [H, W, 3]: above, the number as eight black or white bars, lowest bit left; below, grey."""
    height, width = size
    picture = np.full((height, width, 3), 128, dtype=np.uint8)
    bars = [255 if number >> bit & 1 else 0 for bit in range(8)]
    picture[: height // 2] = np.repeat(bars, -(-width // 8))[:width, None]
    return picture


def number_of(picture: NDArray[np.uint8]) -> int:
    """The number that numbered_picture() drew, read from a decoded picture of any size."""
    height, width = picture.shape[:2]
    columns = [int((bit + 0.5) * width / 8) for bit in range(8)]
    return sum(1 << bit for bit, column in enumerate(columns) if picture[height // 4, column].mean() > 128)


def click_at(seconds: float, length_seconds: float, rate_hz: int = 48_000) -> NDArray[np.float32]:
    """Silence [N] with one short burst, loudest in its middle, which is at the given time."""
    samples = np.zeros(round(length_seconds * rate_hz), dtype=np.float32)
    middle, half = round(seconds * rate_hz), rate_hz // 1000
    shape = np.hanning(2 * half + 1) * np.cos(np.arange(-half, half + 1) * 2 * np.pi * 2000 / rate_hz)
    samples[middle - half : middle + half + 1] = 0.9 * shape
    return samples


def black_picture(width: int, height: int) -> av.VideoFrame:
    """A black frame; the memory of a new one holds what lay there before, so that no two files would be equal."""
    return av.VideoFrame.from_ndarray(np.zeros((height, width), np.uint8), format="gray").reformat(format="yuv420p")


def _write_cover(stream) -> list:
    stream.height, stream.width, stream.pix_fmt = 300, 400, "yuvj420p"
    stream.disposition = Disposition.attached_pic
    return stream.encode(black_picture(400, 300).reformat(format="yuvj420p")) + stream.encode(None)


@dataclass
class Sound:
    """A sound track to write: samples [N] or [channels, N]."""

    samples: NDArray[np.float32]
    start_seconds: float = 0.0
    codec: str = "aac"
    rate_hz: int = 48_000
    layout: str = "mono"
    skip_seconds: tuple[float, float] | None = None
    """Stretch of the samples that is not written: a gap."""


def _write_picture(stream, pictures, times, pix_fmt) -> list:
    packets = []
    for picture, time in zip(pictures, times, strict=True):
        frame = (
            picture
            if isinstance(picture, av.VideoFrame)
            else av.VideoFrame.from_ndarray(picture).reformat(format=pix_fmt)
        )
        frame.pts, frame.time_base = round(time / CLOCK), CLOCK
        frame.pict_type = 0
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _write_sound(stream, sound: Sound) -> list:
    samples = np.atleast_2d(sound.samples)
    packets = []
    for first in range(0, samples.shape[1], 1024):
        now = first / sound.rate_hz
        if sound.skip_seconds and sound.skip_seconds[0] <= now < sound.skip_seconds[1]:
            continue
        chunk = samples[:, first : first + 1024].T.reshape(1, -1)  # PyAV 18.1 makes no planar frames of 8 channels
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(chunk), format="flt", layout=sound.layout)
        frame.sample_rate = sound.rate_hz
        frame.time_base = Fraction(1, sound.rate_hz)
        frame.pts = first + round(sound.start_seconds * sound.rate_hz)
        if sound.codec.startswith("pcm"):
            resampler = av.AudioResampler(format="flt" if "f32" in sound.codec else "s16")
            packets += [p for f in resampler.resample(frame) for p in stream.encode(f)]
        else:
            packets += stream.encode(frame)
    return packets + stream.encode(None)


def write_video(
    path: Path,
    *,
    num_frames: int = 24,
    rate_hz: float = 24.0,
    times: Sequence[float] | None = None,
    pictures: Sequence[NDArray[np.uint8] | av.VideoFrame] | None = None,
    size: tuple[int, int] = (48, 64),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    codec_options: dict[str, str] | None = None,
    rotation: int | None = None,
    sound: Sound | None = None,
    cover: bool = False,
    container_options: dict[str, str] | None = None,
    setup: Callable[[av.VideoStream], None] | None = None,
) -> Path:
    """Write a video whose picture i carries the number i % 256 and is shown at times[i]."""
    times = [i / rate_hz for i in range(num_frames)] if times is None else times
    pictures = [numbered_picture(i % 256, size) for i in range(len(times))] if pictures is None else pictures
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(
            codec, rate=Fraction(rate_hz).limit_denominator(1001), options=codec_options or {}
        )
        stream.height, stream.width = size
        stream.pix_fmt = pix_fmt
        if codec in ("libx264", "libx265", "libvpx-vp9", "ffv1"):
            stream.codec_context.time_base = CLOCK
        if setup:
            setup(stream)
        if rotation is not None:
            stream.set_display_rotation(rotation)
        track = container.add_stream(sound.codec, rate=sound.rate_hz, layout=sound.layout) if sound else None
        art = container.add_stream("mjpeg", rate=1) if cover else None
        packets = _write_picture(stream, pictures, times, pix_fmt)
        packets += _write_sound(track, sound) if sound else []
        packets += _write_cover(art) if art else []
        for packet in sorted(packets, key=lambda p: float((p.dts or 0) * p.time_base)):
            container.mux(packet)
    return path
