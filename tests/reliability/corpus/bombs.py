"""Small files that ask for much: pixels, time, samples, streams, depth."""

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ...media.made_videos import Sound, black_picture, write_video
from .case import Case
from .samples import NUM_FRAMES, sample, tone, video, with_content


def _blank(size: tuple[int, int], codec: str, name: str, num: int = 1) -> Callable[[Path], Path]:
    picture = black_picture(size[1], size[0])
    options = {"preset": "ultrafast"} if codec == "libx264" else {}
    return video(name, pictures=[picture] * num, times=[i / 24 for i in range(num)], size=size, codec=codec,
                 codec_options=options, sound=None)  # fmt: skip


def _patched(form: str, name: bytes, offset: int, value: bytes) -> Callable[[Path], Path]:
    def change(content: bytearray) -> bytearray:
        place = content.index(name) + offset
        content[place : place + len(value)] = value
        return content

    return with_content(form, change)


def _pixels() -> Iterator[Case]:
    kind = "pixels"
    too_large = "has a frame size"
    yield Case(kind, "8192 x 8192, H.264", _blank((8192, 8192), "libx264", "a.mp4"), "error", too_large)
    yield Case(kind, "8190 x 8190, MPEG-4", _blank((8190, 8190), "mpeg4", "a.avi"), "error", too_large)
    side = struct.pack("<i", 30_000)
    yield Case(kind, "30000 x 30000 claimed in avi", _patched("avi", b"strf", 12, side + side))
    yield Case(kind, "negative size claimed in avi", _patched("avi", b"strf", 12, struct.pack("<ii", -1, -(2**31))))
    yield Case(kind, "65535 x 65535 claimed in mp4", _patched("mp4", b"avc1", 28, b"\xff\xff\xff\xff"))

    def raw(folder: Path) -> Path:
        path = folder / "a.y4m"
        path.write_bytes(b"YUV4MPEG2 W60000 H60000 F25:1 Ip C420\nFRAME\n" + bytes(1000))
        return path

    yield Case(kind, "60000 x 60000 raw, one kilobyte", raw, "error")

    def png_inside(folder: Path) -> Path:
        import zlib

        def chunk(name: bytes, content: bytes) -> bytes:
            return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

        head = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
        png = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
        with av.open(str(folder / "a.mov"), "w") as container:
            stream = container.add_stream("png", rate=24)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
            container.start_encoding()
            for number in range(20):
                packet = av.Packet(png)
                packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 24)
                container.mux(packet)
        return folder / "a.mov"

    yield Case(kind, "50000 x 50000 PNG pictures in mov", png_inside, "error", "unreadable|has a frame size")

    def grows(folder: Path) -> Path:
        small = write_video(folder / "small.ts", num_frames=20, sound=None)
        large = _blank((8192, 8192), "libx264", "large.ts")(folder)
        path = folder / "a.ts"
        path.write_bytes(small.read_bytes() + large.read_bytes())
        return path

    yield Case(kind, "grows to 8192 x 8192 in the middle", grows, "result", "could not be decoded")


def _time() -> Iterator[Case]:
    kind = "duration"

    def spaced(seconds: float, num: int, name: str = "a.mkv", **options: object) -> Callable[[Path], Path]:
        times = [seconds * number for number in range(num)]
        return video(name, times=times, size=(32, 32), codec="mpeg4", codec_options={"g": "1"}, **options)

    still = "stand still"
    yield Case(kind, "3 pictures in 20 minutes", spaced(600, 3, sound=None), "result")
    yield Case(kind, "60 pictures in 60 hours", spaced(3600, 60, sound=None), "error", still)
    unstated = {"container_options": {"live": "1"}, "sound": None}
    yield Case(kind, "60 pictures in 60 hours, not declared", spaced(3599, 60, **unstated), "error", still)
    yield Case(
        kind, "a picture every 512 s in mp4", _patched("mp4", b"mdhd", 16, bytes(4)), "error", "less than one snippet"
    )
    yield Case(kind, "a century declared", _patched("mkv", b"\x44\x89\x88", 3, struct.pack(">d", 3.2e12)))
    yield Case(kind, "endless", _patched("mkv", b"\x44\x89\x88", 3, struct.pack(">d", float("inf"))))
    yield Case(kind, "no number as duration", _patched("mkv", b"\x44\x89\x88", 3, struct.pack(">d", float("nan"))))
    yield Case(kind, "negative duration", _patched("mkv", b"\x44\x89\x88", 3, struct.pack(">d", -5e9)))
    fast = {"times": [i / 3000 for i in range(3000)], "size": (32, 32), "codec_options": {"preset": "ultrafast"}}
    yield Case(kind, "3000 pictures in a second", video(**fast, rate_hz=1000, sound=None), "result")
    for name, value in (("4 billion", 2**32 - 1), ("2 billion", 2**31 - 1), ("a million", 10**6)):
        count = struct.pack(">I", value)
        yield Case(kind, f"{name} pictures claimed in mp4", _patched("mp4", b"stsz", 8, struct.pack(">I", 8) + count))
        yield Case(kind, f"{name} times claimed in mp4", _patched("mp4", b"stts", 12, count))


def _samples() -> Iterator[Case]:
    kind = "sound"

    def at_rate(rate_hz: int, name: str = "a.avi", num_seconds: float = 1.0) -> Callable[[Path], Path]:
        def build(folder: Path) -> Path:
            codec = "mpeg4" if name.endswith("avi") else "libx264"
            sound = Sound(tone(num_seconds, 8000), codec="pcm_s16le", rate_hz=8000)
            path = write_video(folder / name, num_frames=NUM_FRAMES, codec=codec, sound=sound)
            old, new = struct.pack("<I", 8000) + struct.pack("<I", 16_000), struct.pack("<II", rate_hz, 2 * rate_hz)
            content = path.read_bytes()
            assert old in content
            path.write_bytes(content.replace(old, new))
            return path

        return build

    for rate_hz in (1, 7, 999, 2**31 - 1):
        yield Case(kind, f"{rate_hz} samples a second claimed", at_rate(rate_hz), "result", "implausible sample rate")

    def day_of_silence(folder: Path) -> Path:
        """The same packet of FLAC silence, 8 s at 8 kHz, again and again: some 20 bytes each."""
        with av.open(str(folder / "a.mkv"), "w") as container:
            picture = container.add_stream("mpeg4", rate=24)
            picture.width, picture.height = 64, 48
            sound = container.add_stream("flac", rate=8000, layout="mono")
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 4608), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8000, 0
            flac = next(bytes(p) for p in sound.encode(frame) + sound.encode(None) if p.size)
            for _ in range(24):
                container.mux(picture.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8))))
            container.mux(picture.encode(None))
            for number in range(24 * 3600 * 8000 // 4608):
                packet = av.Packet(flac)
                packet.stream, packet.time_base = sound, Fraction(1, 8000)
                packet.pts = packet.dts = 4608 * number
                container.mux(packet)
        return folder / "a.mkv"

    def no_numbers(folder: Path) -> Path:
        sound = Sound(tone(), codec="pcm_f32le")
        path = write_video(folder / "a.mov", num_frames=NUM_FRAMES, sound=sound)
        with av.open(str(path)) as container:
            spans = [(p.pos, p.size) for p in container.demux(container.streams.audio[0]) if p.size]
        content = bytearray(path.read_bytes())
        values = np.array([np.nan, np.inf, -np.inf, 1e38], "<f4").tobytes()
        for place, size in spans[5:8]:
            content[place : place + size // 16 * 16] = values * (size // 16)
        path.write_bytes(content)
        return path

    goes_on = "audio continues long after the video"
    yield Case(kind, "24 h of silence under a second of picture", day_of_silence, "result", goes_on)
    yield Case(kind, "samples that are no numbers", no_numbers, "result", "not finite")


def _structure() -> Iterator[Case]:
    kind = "structure"

    def boxes(folder: Path, depth: int = 20_000) -> Path:
        content = b"".join(struct.pack(">I4s", 8 * (depth - level), b"moov") for level in range(depth))
        path = folder / "a.mp4"
        path.write_bytes(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + content)
        return path

    def masters(folder: Path) -> Path:
        head = sample("mkv")[: sample("mkv").index(b"\x18\x53\x80\x67")]
        path = folder / "a.mkv"
        path.write_bytes(head + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" * 20_000)
        return path

    def tags(folder: Path) -> Path:
        path = folder / "a.mkv"
        tag = b"\x12\x54\xc3\x67\x89\x73\x73\x86\x67\xc8\x83\x45\xa3\x80"
        path.write_bytes(sample("mkv") + tag * 50_000)
        return path

    yield Case(kind, "20000 boxes, one in the other", boxes, "error")
    yield Case(kind, "20000 segments of mkv, one in the other", masters, "error")
    yield Case(kind, "50000 tags", tags)


CASES = (*_pixels(), *_time(), *_samples(), *_structure())
