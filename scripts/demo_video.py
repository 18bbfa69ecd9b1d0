"""The demo's own video: a real street, to which real sound is added, with and without an explosion."""

from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from avadclip.encoders.downloads.get import obtain_files
from avadclip.encoders.downloads.sources import WeightFile, WeightFiles, WheelSource

BOOM = WeightFiles(
    name="demo-sound",
    title="the demo's explosion",
    licence="LGPL-2.1 (pygame's examples)",
    files={
        "boom.wav": WeightFile(bytes=12_562, sha256="91fa16b345550c61efd0949ae3a9d76411b2c3bd3e8e97cfabf077d6a340fc5f")
    },
    sources=(
        WheelSource(
            kind="wheel",
            project="pygame",
            version="2.6.1",
            sha256="ce8cc108b92de9b149b344ad2e25eedbe773af0dc41dfb24d1f07f679b558c60",
            bytes=13_977_107,
            tags=("cp311", "cp311", "manylinux2014_x86_64"),
        ),
    ),
)
"""Kept in the user's cache; pygame itself is not installed."""
RATE_HZ = 48_000
CALM_SECONDS = (3.5, 5.0)  # of the cartoon's track: nothing but music is named in it
BACKGROUND_DBFS = -36.0  # of its loudest 0.1 s
EXPLOSION_SECONDS = 6.4  # chosen so that it is named: begun at 6.2 it falls among snippets in which it is not
EXPLOSION_DBFS = -10.0

Samples = NDArray[np.float32]


class DemoVideos(NamedTuple):
    """Two files that differ in one sound."""

    quiet: Path
    explosion: Path


def obtain_boom() -> Path:
    """The recording of an explosion, downloaded once; WeightsError where it is not here and cannot be had."""
    return obtain_files(BOOM) / "boom.wav"


def make_videos(street: Path, cartoon: Path, boom: Path, folder: Path) -> DemoVideos:
    """Write the street's picture with sound, twice.

    Args:
        street: gives the picture, which is copied.
        cartoon: its sound, mirrored to the street's length, is the background.
        boom: is heard from EXPLOSION_SECONDS, in one of the two.
        folder: is made.
    """
    first, last = (round(seconds * RATE_HZ) for seconds in CALM_SECONDS)
    calm = read_sound(cartoon)[first:last]
    with av.open(str(street)) as container:
        total = round((container.duration or 0) / av.time_base * RATE_HZ)
    background = to_level(np.pad(calm, (0, max(total - len(calm), 0)), "symmetric")[:total], BACKGROUND_DBFS)
    explosion = to_level(read_sound(boom), EXPLOSION_DBFS)
    start = round(EXPLOSION_SECONDS * RATE_HZ)
    both = background.copy()
    both[start : start + len(explosion)] += explosion[: total - start]
    folder.mkdir(parents=True, exist_ok=True)
    videos = DemoVideos(folder / "street-without.mp4", folder / "street-with-explosion.mp4")
    add_sound(street, background, videos.quiet)
    add_sound(street, np.clip(both, -1, 1), videos.explosion)
    return videos


def read_sound(path: Path) -> Samples:
    """All of a file's sound as mono at RATE_HZ."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
    with av.open(str(path)) as container:
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    parts += [part for part in resampler.resample(None) if part is not None]
    return np.concatenate([part.to_ndarray()[0] for part in parts])


def to_level(samples: Samples, dbfs: float) -> Samples:
    """Scaled so that its loudest 0.1 s has this RMS level."""
    powers = np.convolve(np.square(samples), np.full(RATE_HZ // 10, 10 / RATE_HZ, np.float32), "valid")
    return samples * np.float32(10 ** (dbfs / 20) / np.sqrt(powers.max()))


def add_sound(video: Path, samples: Samples, target: Path) -> None:
    """Copy the picture, packet by packet, beside AAC sound."""
    with av.open(str(video)) as source, av.open(str(target), "w") as container:
        picture = container.add_stream_from_template(source.streams.video[0])
        sound = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = picture
                container.mux(packet)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
