"""Files that are whole, and unlike others: clocks, sizes, colours, sound."""

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ...media.made_videos import Sound, write_video
from .case import Case
from .samples import NUM_FRAMES, SECONDS, remuxed, replaced, sample, tone, video, with_content

DAY_SECONDS = 24 * 3600
Demuxed = av.container.InputContainer
Muxed = av.container.OutputContainer


def _retimed(name: str, time_of: Callable[[int, int], int], form: str = "mkv") -> Callable[[Path], Path]:
    """Builder: `time_of` makes another time of the number and the time, in ms, of every packet of the picture."""

    def change(source: Demuxed, target: Muxed) -> None:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        numbers = dict.fromkeys(streams, 0)
        for packet in source.demux():
            if packet.dts is None:
                continue
            number, milliseconds = numbers[packet.stream.index], round(1000 * packet.pts * packet.time_base)
            numbers[packet.stream.index] += 1
            if packet.stream.type == "video":
                packet.time_base = Fraction(1, 1000)
                packet.dts, packet.pts = number, max(number, time_of(number, milliseconds))
            packet.stream = streams[packet.stream.index]
            target.mux(packet)

    return remuxed(name, change, form)


def _with_step(ticks: int) -> Callable[[Path], Path]:
    """Builder of an mp4 whose pictures are this far apart, of 12288 ticks a second."""

    def change(content: bytearray) -> bytearray:
        place = content.index(b"stts") + 16
        content[place : place + 4] = struct.pack(">I", ticks)
        return content

    return with_content("mp4", change)


def _clocks() -> Iterator[Case]:
    kind = "timestamps"

    def case(name: str, build: Callable[[Path], Path], says: str = "", expected: str = "result") -> Case:
        return Case(kind, name, build, expected, says)

    intra = {"codec": "mpeg4", "codec_options": {"g": "1"}}
    uneven = np.cumsum(np.random.default_rng(3).uniform(0.01, 0.09, NUM_FRAMES))
    yield case("variable rate", video(times=[float(t) for t in uneven - uneven[0]]))
    yield case("one picture a second", video(times=[0.0, 1.0, 2.0], rate_hz=1))
    yield case("240 pictures a second", video(rate_hz=240, num_frames=400))
    yield case("starts at 1.48 s", video("a.ts"))
    yield case("starts two hours late", video(times=[7200 + i / 24 for i in range(NUM_FRAMES)], sound=None))
    yield case("a picture that stands for a minute", video(times=[0, 0.5, 60.5, 61.0], sound=None))
    yield case("none, in a raw stream", video("a.h264", sound=None), "without timestamps|states no duration")
    yield case("all the same", _with_step(0), "less than one snippet", "error")
    yield case("each a step back", _with_step(2**32 - 512), expected="either")
    yield case("each 48 hours after the last", _with_step(2**31 - 1), expected="either")
    yield case("shuffled", _retimed("a.mkv", lambda number, ms: max(0, ms + 300 * (number % 3 - 1))), expected="either")
    yield case(
        "one of a year ahead",
        _retimed("a.mkv", lambda n, ms: ms + 365 * DAY_SECONDS * 1000 * (n == 9)),
        "header states 3153",
    )
    yield case(
        "all of 30 years ahead", _retimed("a.mkv", lambda _, ms: ms + 30 * 365 * DAY_SECONDS * 1000), "", "either"
    )
    yield case("joined", with_content("ts", lambda content: content + sample("ts")), "restart")
    yield case("joined three times", with_content("ts", lambda content: content * 3), "restart 2 times")
    yield case("every picture a key", video("a.avi", **intra, sound=Sound(tone(), codec="libmp3lame")))


def _lengths() -> Iterator[Case]:
    kind = "length"

    def nothing(folder: Path, name: str) -> Path:
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("mpeg4", rate=24)
            stream.width, stream.height = 64, 48
            container.start_encoding()
        return folder / name

    def day_in_mkv(content: bytearray) -> bytearray:
        place = content.index(b"\x44\x89\x88") + 3  # Duration, eight bytes
        content[place : place + 8] = struct.pack(">d", 1000.0 * DAY_SECONDS)
        return content.replace(b"00:00:01.6", b"24:00:00.6")

    def day_in_mp4(content: bytearray) -> bytearray:
        for name, start, ticks in ((b"mvhd", 20, 1000), (b"tkhd", 24, 1000), (b"mdhd", 20, 12_288)):
            place = content.index(name) + start
            content[place : place + 4] = struct.pack(">I", DAY_SECONDS * ticks)
        return content

    def without_timescale(content: bytearray) -> bytearray:
        place = content.index(b"mdhd") + 16
        content[place : place + 4] = bytes(4)
        return content

    def day_in_avi(content: bytearray) -> bytearray:
        for place in (content.index(b"avih") + 24, content.index(b"strh") + 40):
            content[place : place + 4] = struct.pack("<I", DAY_SECONDS * 24)
        return content

    for name in ("a.mkv", "a.mp4", "a.avi", "a.ts"):
        no_picture = "unreadable|no video stream|not a video|frame size of 0x0|is empty"
        yield Case(kind, f"no picture in {name[2:]}", lambda folder, n=name: nothing(folder, n), "error", no_picture)
    yield Case(kind, "one picture", video(num_frames=1, sound=None), "error", "less than one snippet")
    yield Case(kind, "one picture under long sound", video(num_frames=1), "error", "less than one snippet")
    yield Case(kind, "shorter than a snippet", video(num_frames=15, sound=None), "error", "less than one snippet")
    yield Case(kind, "exactly a snippet", video(num_frames=16, sound=None), "result")
    cut = "the header states 86400|cut off"
    yield Case(kind, "24 h declared, mkv", with_content("mkv", day_in_mkv), "result", cut)
    yield Case(kind, "24 h declared, mp4", with_content("mp4", day_in_mp4), "result")
    yield Case(kind, "no ticks a second, mp4", with_content("mp4", without_timescale))
    yield Case(kind, "24 h declared, avi", with_content("avi", day_in_avi), "result")


def _pictures() -> Iterator[Case]:
    kind = "picture"

    def still(
        size: tuple[int, int], codec: str, pix_fmt: str, name: str = "a.mkv", num: int = 20
    ) -> Callable[[Path], Path]:
        """The same grey picture again and again: encoded once."""
        height, width = size
        picture = av.VideoFrame.from_ndarray(np.full((height, width, 3), 90, np.uint8)).reformat(format=pix_fmt)
        return video(name, pictures=[picture] * num, times=[i / 24 for i in range(num)], size=size, codec=codec,
                     pix_fmt=pix_fmt, sound=None)  # fmt: skip

    for size in ((1, 1), (5, 3), (1, 200), (333, 1)):
        name = f"{size[1]} x {size[0]}"
        yield Case(kind, name, still(size, "rawvideo", "rgb24", "a.nut"), "result")
    yield Case(kind, "8192 x 16", still((16, 8192), "libx264", "yuv420p"), "result")
    yield Case(kind, "16 x 8192", still((8192, 16), "libx264", "yuv420p"), "result")
    yield Case(kind, "2 x 2, H.264", still((2, 2), "libx264", "yuv420p"), "result")
    for pix_fmt in ("yuv420p10le", "yuv422p10le", "yuv444p12le", "gray", "gray16le", "rgb48le", "yuva420p", "bgra"):
        says = "bits per colour, converted to 8" if any(bits in pix_fmt for bits in ("10", "12", "16", "48")) else ""
        yield Case(kind, f"ffv1 in {pix_fmt}", still((48, 64), "ffv1", pix_fmt), "result", says)
    yield Case(kind, "H.264 in 10 bits", still((48, 64), "libx264", "yuv420p10le"), "result", "10 bits per colour")
    yield Case(kind, "H.265 in 10 bits", still((48, 64), "libx265", "yuv420p10le"), "result", "10 bits per colour")
    for turn in (90, 180, -90):
        yield Case(kind, f"rotated by {turn}", video("a.mp4", rotation=turn, sound=None), "result", "rotation flag")
    yield Case(kind, "cover art beside it", video("a.mp4", cover=True), "result", "more video streams")

    def grows(folder: Path) -> Path:
        parts = [
            write_video(folder / f"{h}.ts", num_frames=20, size=(h, 64), sound=Sound(tone(20 / 24))) for h in (48, 96)
        ]
        path = folder / "a.ts"
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        return path

    yield Case(kind, "another size in the middle", grows, "result", "frame size changes|restart")


def _sounds() -> Iterator[Case]:
    kind = "sound"
    layouts = {"mono": 1, "stereo": 2, "2.1": 3, "quad": 4, "5.0": 5, "5.1": 6, "6.1": 7, "7.1": 8}
    for layout, channels in layouts.items():
        sound = Sound(tone(channels=channels), codec="pcm_s16le", layout=layout)
        yield Case(kind, layout, video("a.mov", sound=sound), "result")
    yield Case(kind, "7.1 in AAC", video(sound=Sound(tone(channels=8), layout="7.1")), "result")
    for rate_hz in (8_000, 11_025, 96_000, 192_000):
        sound = Sound(tone(rate_hz=rate_hz), codec="flac", rate_hz=rate_hz)
        yield Case(kind, f"at {rate_hz} Hz", video(sound=sound), "result")
    yield Case(kind, "none", video(sound=None), "result")
    yield Case(kind, "digital silence", video(sound=Sound(0 * tone())), "result", is_silent=True)
    yield Case(kind, "1 s late", video(sound=Sound(tone(SECONDS - 1), start_seconds=1.0)), "result", "audio starts 1.0")
    yield Case(kind, "1 s early", video(times=[1 + i / 24 for i in range(NUM_FRAMES)]), "result", "before the video")
    yield Case(kind, "ends early", video(sound=Sound(tone(0.6))), "result", "audio ends")
    yield Case(kind, "ends early, ts", video("a.ts", sound=Sound(tone(0.6))), "result", "audio ends")
    yield Case(kind, "goes on for long", video(sound=Sound(tone(20.0))), "result", "audio ends 18")
    gap = Sound(tone(), skip_seconds=(0.4, 1.2), codec="pcm_s16le")
    yield Case(kind, "with a gap", video(sound=gap), "result", "silence: 1,")

    def alone(folder: Path, name: str) -> Path:
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("aac", rate=48_000, layout="mono")
            frame = av.AudioFrame.from_ndarray(tone(1024 / 48_000), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 0
            container.mux(stream.encode(frame) + stream.encode(None))
        return folder / name

    for name in ("a.mp4", "a.mkv", "a.ts"):
        yield Case(kind, f"alone in {name[2:]}", lambda f, n=name: alone(f, n), "error", "no video stream")

    def joined(*sounds: Sound | None, num_frames: int = 20) -> Callable[[Path], Path]:
        def build(folder: Path) -> Path:
            parts = [
                write_video(folder / f"{i}.ts", num_frames=num_frames, sound=sound) for i, sound in enumerate(sounds)
            ]
            path = folder / "a.ts"
            path.write_bytes(b"".join(part.read_bytes() for part in parts))
            return path

        return build

    half = 20 / 24
    low = Sound(tone(half, 22_050), rate_hz=22_050)
    both = Sound(tone(half, channels=2), layout="stereo")
    changes = "sample rate or channels change|restart"
    yield Case(kind, "another rate in the middle", joined(Sound(tone(half)), low), "result", changes)
    yield Case(kind, "more channels in the middle", joined(Sound(tone(half)), both), "result", changes)
    stops = joined(Sound(tone(2.0)), None, num_frames=48)
    yield Case(kind, "stops in the middle of a joined file", stops, "result", "audio ends at")

    def broken(content: bytearray) -> bytearray:
        with av.open(str(path_of(content))) as container:
            spans = [(p.pos, p.size) for p in container.demux(container.streams.audio[0]) if p.size]
        for place, size in spans[3:]:
            content[place : place + size] = b"\xff" * size
        return content

    def path_of(content: bytearray) -> Path:
        import tempfile

        path = Path(tempfile.mkdtemp()) / "a.mp4"
        path.write_bytes(content)
        return path

    yield Case(kind, "undecodable after its start", with_content("mp4", broken), "result", "audio packets could not")


def _streams() -> Iterator[Case]:
    kind = "other streams"

    def attach(source: Demuxed, target: Muxed) -> None:
        target.add_attachment("font.ttf", "application/x-truetype-font", bytes(20_000))
        target.add_attachment("../../etc/evil.sh", "text/plain", b"#!/bin/sh\n")
        _copy_all(source, target)

    def many(source: Demuxed, target: Muxed) -> None:
        copies = [
            [target.add_stream_from_template(s) for _ in range(40 if s.type == "audio" else 2)] for s in source.streams
        ]
        for packet in source.demux():
            if packet.dts is not None:
                for stream in copies[packet.stream.index]:
                    packet.stream = stream
                    target.mux(packet)

    yield Case(kind, "attachments", remuxed("a.mkv", attach), "result")
    yield Case(
        kind, "2 pictures and 40 sound tracks", remuxed("a.mkv", many), "result", "40 audio tracks; number 1 is used"
    )
    titled = with_content("mkv", lambda content: replaced(content, b"Lavf", b"\x1b[2J"))
    yield Case(kind, "control characters in the title", titled, "result")


def _copy_all(source: Demuxed, target: Muxed) -> None:
    streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
    for packet in source.demux():
        if packet.dts is not None:
            packet.stream = streams[packet.stream.index]
            target.mux(packet)


CASES = (*_clocks(), *_lengths(), *_pictures(), *_sounds(), *_streams())
