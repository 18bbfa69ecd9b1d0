"""Good files that something happened to."""

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np

from .case import Case
from .samples import CODECS, remuxed, sample, suffix_of, with_content

CUT_SHARES = (0.02, 0.2, 0.4, 0.6, 0.8, 0.97)
NUM_FLIPS = (1, 10, 100, 1000)
MAGIC = {
    "mp4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2",
    "mkv": b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1\x42\xf7\x81\1\x42\xf2\x81\4\x42\xf3\x81\x08\x42\x82\x84webm",
    "avi": b"RIFF\xff\xff\xff\x7fAVI LIST",
    "ts": b"\x47\x40\0\x10\0",
    "flv": b"FLV\1\5\0\0\0\x09\0\0\0\0",
    "ogg": b"OggS\0\2",
    "asf": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    "h264": b"\0\0\0\1\x67\x42\0\x1e",
}


def _cut(form: str, length: Callable[[int], int]) -> Callable[[Path], Path]:
    return with_content(form, lambda content: content[: length(len(content))])


def _truncated() -> Iterator[Case]:
    for form in CODECS:
        for share in CUT_SHARES:
            expected = "error" if form == "mp4" else "either"  # its index comes last
            says = {
                "mp4": "not a video|unreadable|no video stream",
                "avi": "shorter than its header|not a video|unreadable|no video stream|less than one snippet",
            }.get(form, "")
            yield Case(
                "cut off", f"{form} after {share:.0%}", _cut(form, lambda n, s=share: int(n * s)), expected, says
            )
        yield Case("cut off", f"{form} by one byte", _cut(form, lambda n: n - 1))


def _zeroed() -> Iterator[Case]:
    def hole(start: float, end: float) -> Callable[[bytearray], bytearray]:
        def change(content: bytearray) -> bytearray:
            first, last = int(len(content) * start), int(len(content) * end)
            content[first:last] = bytes(last - first)
            return content

        return change

    for form in CODECS:
        for start, end in ((0, 0.02), (0.3, 0.31), (0.4, 0.6), (0.9, 1)):
            name = f"{form}, zeros from {start:.0%} to {end:.0%}"
            yield Case("zeros inside", name, with_content(form, hole(start, end)))
    yield Case(
        "zeros inside", "nothing but zeros", with_content("mp4", lambda c: bytes(len(c))), "error", "not a video"
    )
    yield Case("zeros inside", "no byte at all", with_content("mp4", lambda _: b""), "error", "is empty")


def _random() -> Iterator[Case]:
    for form, magic in MAGIC.items():
        for num_bytes in (40, 3_000, 100_000):

            def build(folder: Path, form: str = form, magic: bytes = magic, num_bytes: int = num_bytes) -> Path:
                path = folder / f"a.{form}"
                path.write_bytes(magic + np.random.default_rng(num_bytes).bytes(num_bytes))
                return path

            yield Case("random bytes", f"{num_bytes} after the first bytes of {form}", build)


def _flipped() -> Iterator[Case]:
    for form in CODECS:
        for num_flips in NUM_FLIPS:
            for seed in range(3):

                def flip(content: bytearray, num_flips: int = num_flips, seed: int = seed) -> bytearray:
                    random = np.random.default_rng([num_flips, seed])
                    for place in random.integers(0, len(content), num_flips):
                        content[place] ^= 1 << int(random.integers(8))
                    return content

                name = f"{num_flips} in {form}, draw {seed}"
                yield Case("bits flipped", name, with_content(form, flip), is_repeated=seed > 0)


def _without_index() -> Iterator[Case]:
    def hide(name: bytes, instead: bytes) -> Callable[[bytearray], bytearray]:
        def change(content: bytearray) -> bytearray:
            assert name in content
            return content.replace(name, instead)

        return change

    yield Case("no index", "mp4", with_content("mp4", hide(b"moov", b"lost")), "error", "not a video")
    yield Case("no index", "mp4 with the index first", with_content("index first", hide(b"moov", b"lost")), "error")
    yield Case("no index", "avi", with_content("avi", hide(b"idx1", b"JUNK")), "result")
    yield Case("no index", "mkv", with_content("mkv", hide(b"\x1c\x53\xbb\x6b", b"\xec\x53\xbb\x6b")), "result")
    for table in (b"stsz", b"stco", b"stsc", b"stts", b"stss", b"ctts"):
        yield Case("no index", f"mp4 without {table.decode()}", with_content("mp4", hide(table, b"free")))


def _spliced() -> Iterator[Case]:
    for first in ("mp4", "mkv", "ts", "avi"):
        for second in ("index first", "mkv", "ts", "flv"):
            if first != second:

                def splice(content: bytearray, second: str = second) -> bytes:
                    other = sample(second)
                    return bytes(content[: len(content) // 2]) + other[len(other) // 2 :]

                yield Case("halves of two files", f"{first} and {suffix_of(second)}", with_content(first, splice))
    yield Case("halves of two files", "a whole ts after a whole mkv", with_content("mkv", lambda c: c + sample("ts")))


def _swapped() -> Iterator[Case]:
    def order(source: av.container.InputContainer, target: av.container.OutputContainer) -> None:
        streams = {s.index: target.add_stream_from_template(s) for s in reversed(source.streams)}
        _copy(source, target, streams)

    def packets(source: av.container.InputContainer, target: av.container.OutputContainer) -> None:
        streams = [target.add_stream_from_template(s) for s in source.streams]
        _copy(source, target, dict(enumerate(reversed(streams))))

    yield Case("streams swapped", "sound before picture", remuxed("a.mkv", order), "result")
    yield Case("streams swapped", "each with the other's packets", remuxed("a.mkv", packets), "error", "unreadable")


def _copy(source: av.container.InputContainer, target: av.container.OutputContainer, streams: dict) -> None:
    for packet in source.demux():
        if packet.dts is not None:
            packet.stream = streams[packet.stream.index]
            target.mux(packet)


CASES = (
    *_truncated(),
    *_without_index(),
    *_zeroed(),
    *_random(),
    *_flipped(),
    *_spliced(),
    *_swapped(),
)
