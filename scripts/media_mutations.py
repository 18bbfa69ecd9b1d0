"""Ways to damage a video file, each drawn from a seeded generator, for mutated_media.py."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from media_bases import CONTAINERS, LENGTH_SECONDS, Base

Draw = np.random.Generator
Packets = list[Any]  # av.Packet
HEADER_BYTES = 64  # taken for the header where the first packet begins at once

SHIFTS_SECONDS = (0.3, 1.0, 2.0, 5.0, 20.0, 7200.0)  # back, muxers refuse: joined files step back


def flip_bits(base: Base, draw: Draw) -> bytes:
    """Flip 1 to 64 bits anywhere."""
    content = bytearray(base.path.read_bytes())
    for place in draw.integers(len(content), size=int(2 ** draw.uniform(0, 6))):
        content[place] ^= 1 << int(draw.integers(8))
    return bytes(content)


def zero_bytes(base: Base, draw: Draw) -> bytes:
    """Zero a stretch of up to 15 %."""
    content = bytearray(base.path.read_bytes())
    start, end = _stretch(len(content), draw)
    content[start:end] = bytes(end - start)
    return bytes(content)


def remove_stretch(base: Base, draw: Draw) -> bytes:
    """Cut out a stretch of up to 15 %."""
    content = base.path.read_bytes()
    start, end = _stretch(len(content), draw)
    return content[:start] + content[end:]


def double_stretch(base: Base, draw: Draw) -> bytes:
    """Repeat a stretch of up to 15 %."""
    content = base.path.read_bytes()
    start, end = _stretch(len(content), draw)
    return content[:end] + content[start:]


def cut_off(base: Base, draw: Draw) -> bytes:
    """Keep the first 30 to 98 %."""
    content = base.path.read_bytes()
    return content[: round(len(content) * draw.uniform(0.3, 0.98))]


def lose_middle(base: Base, draw: Draw) -> bytes:
    """Cut out 40 % in the middle."""
    content = base.path.read_bytes()
    start = round(len(content) * draw.uniform(0.2, 0.4))
    return content[:start] + content[start + round(0.4 * len(content)) :]


def insert_junk(base: Base, draw: Draw) -> bytes:
    """Insert up to 4000 random bytes in front of 1 to 5 packets."""
    content = base.path.read_bytes()
    starts = np.unique([start for start, _ in base.packets])
    for start in sorted(draw.choice(starts, size=draw.integers(1, 6)), reverse=True):
        content = content[:start] + draw.bytes(int(2 ** draw.uniform(0, 12))) + content[start:]
    return content


def change_header(base: Base, draw: Draw) -> bytes:
    """Change 1 to 4 bytes in front of the first packet or behind the last one."""
    content = bytearray(base.path.read_bytes())
    first = base.packets[0][0] or HEADER_BYTES
    last = max(start + size for start, size in base.packets)
    places = [*range(first), *range(last, len(content))]
    for place in draw.choice(places, size=draw.integers(1, 5)):
        content[place] = draw.integers(256)
    return bytes(content)


def join(base: Base, draw: Draw) -> bytes:
    """Append what `appended` draws."""
    return base.path.read_bytes() + appended(base, draw).path.read_bytes()


def appended(base: Base, draw: Draw) -> Base:
    """The same scene in a codec of this container, which may be the same."""
    return base.with_codec(str(draw.choice(CONTAINERS[base.container][0].split())))


def drop_packets(packets: Packets, draw: Draw) -> Packets:
    """Leave out a tenth of the packets, or a stretch of 0.2 to 1.5 s, of all tracks or of one."""
    track = _track(packets, draw)
    if draw.random() < 0.5:
        dropped = [share < 0.1 for share in draw.random(len(packets))]
    else:
        start, length = draw.uniform(0, LENGTH_SECONDS), draw.uniform(0.2, 1.5)
        dropped = [start <= seconds < start + length for seconds in _seconds(packets)]
    return [
        packet
        for packet, is_dropped in zip(packets, dropped, strict=True)
        if not is_dropped or track not in (None, packet.stream_index)
    ]


def shift_times(packets: Packets, draw: Draw) -> Packets:
    """Shift all times from one moment on, of all tracks or of one."""
    track = _track(packets, draw)
    start, shift = draw.uniform(0.5, LENGTH_SECONDS - 0.5), float(draw.choice(SHIFTS_SECONDS))
    for packet, seconds in zip(packets, _seconds(packets), strict=True):
        if seconds >= start and track in (None, packet.stream_index):
            ticks = round(shift / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
    return packets


def scramble_times(packets: Packets, draw: Draw) -> Packets:
    """Move the times at which a fifth of the packets are shown by up to a second, none before it is decoded."""
    for packet in packets:
        if packet.pts is not None and draw.random() < 0.2:
            packet.pts = max(packet.pts + round(draw.uniform(-1, 1) / packet.time_base), packet.dts or 0)
    return packets


BYTE_MUTATIONS: dict[str, Callable[[Base, Draw], bytes]] = {
    "bits flipped": flip_bits,
    "bytes zeroed": zero_bytes,
    "stretch removed": remove_stretch,
    "stretch doubled": double_stretch,
    "cut off": cut_off,
    "40 % missing": lose_middle,
    "junk inserted": insert_junk,
    "header changed": change_header,
    "joined": join,
}
PACKET_MUTATIONS: dict[str, Callable[[Packets, Draw], Packets]] = {
    "packets dropped": drop_packets,
    "times shifted": shift_times,
    "times scrambled": scramble_times,
}
KINDS = (*BYTE_MUTATIONS, *PACKET_MUTATIONS)


def mutate(base: Base, kind: str, seed: tuple[int, int], target: Path) -> None:
    """Write the damaged video, drawn from this seed."""
    if kind in BYTE_MUTATIONS:
        target.write_bytes(BYTE_MUTATIONS[kind](base, np.random.default_rng(seed)))
        return
    # FFmpeg's muxers abort the process at some times: what they have written by then is the damaged video.
    arguments = [base.container, base.codec, str(base.folder), kind, *map(str, seed), str(target)]
    target.touch()
    subprocess.run([sys.executable, __file__, *arguments], check=False, stderr=subprocess.DEVNULL)


def _write_packets(base: Base, kind: str, draw: Draw, target: Path) -> None:
    with (
        av.open(str(base.path)) as source,
        av.open(str(target), "w", container_options={"fflags": "+bitexact"}) as written,
    ):
        tracks = {stream.index: written.add_stream_from_template(stream, opaque=True) for stream in source.streams}
        packets = [packet for packet in source.demux() if packet.size]
        for packet in PACKET_MUTATIONS[kind](packets, draw):
            packet.stream = tracks[packet.stream_index]
            try:
                written.mux(packet)
            except av.FFmpegError:
                continue  # the container does not take such times: the packet is missing instead


def _stretch(length: int, draw: Draw) -> tuple[int, int]:
    size = max(round(length * 10 ** draw.uniform(-3, np.log10(0.15))), 1)
    start = int(draw.integers(length - size))
    return start, start + size


def _track(packets: Packets, draw: Draw) -> int | None:
    """A track's index, or None for all tracks."""
    tracks = [None, *sorted({packet.stream_index for packet in packets})]
    return tracks[int(draw.integers(len(tracks)))]


def _seconds(packets: Packets) -> list[float]:
    """Time of each from the first one on; by its place where it has none."""
    own = [packet.dts if packet.dts is not None else packet.pts for packet in packets]
    if None in own:
        return [LENGTH_SECONDS * place / len(packets) for place in range(len(packets))]
    times = [float(ticks * packet.time_base) for ticks, packet in zip(own, packets, strict=True) if ticks is not None]
    return [seconds - min(times) for seconds in times]


def _main() -> None:
    container, codec, folder, kind, seed, number, target = sys.argv[1:]
    draw = np.random.default_rng((int(seed), int(number)))
    _write_packets(Base(container, codec, Path(folder)), kind, draw, Path(target))


if __name__ == "__main__":
    _main()
