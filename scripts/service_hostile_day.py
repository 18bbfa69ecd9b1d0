"""A service on a hostile day: half-sent requests, then uploads, silent event streams and readers at the same time.

    python scripts/service_hostile_day.py [--seconds 60]

Prints how long `/healthz` took, what failed, the size of the log, and the memory of the server's process.
"""

import argparse
import asyncio
import contextlib
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil

HALF_SENT = 2000
UPLOADS = 200
UPLOAD_BYTES = 1_000_000
STREAMS = 1000
READERS = 100
READS = 10  # of each reader
OPENED_AT_ONCE = 100
HEAD = "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


class Target:
    """The service under attack, and what its clients met."""

    def __init__(self, port: int, process: psutil.Process, log: Path) -> None:
        self.port, self.process, self.log = port, process, log
        self.met: Counter[str] = Counter()
        self.turn = asyncio.Semaphore(OPENED_AT_ONCE)
        """Of the clients other than that of `health`, which does not wait for its turn here."""

    async def open(self, head: str, body: bytes = b"") -> tuple[Reader, Writer]:
        """Connect, and send this much of a request."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(head.encode() + body)
        return reader, writer

    async def request(self, method: str, path: str, body: bytes = b"") -> int:
        """Send one request and read its whole response; return its status."""
        head = HEAD.format(method=method, path=path) + f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        reader, writer = await self.open(head, body)
        try:
            content = await reader.read()
        finally:
            writer.close()
        return int(content.split(b" ", 2)[1]) if content else 0

    async def count(self, what: str, method: str, path: str, body: bytes = b"") -> None:
        """Send one request and count its status, or how it failed."""
        try:
            status = str(await self.request(method, path, body))
        except OSError as error:
            status = type(error).__name__
        self.met[f"{what}: {status}"] += 1

    async def health(self) -> float:
        """Seconds until `/healthz` answered, tried again where the connection was closed."""
        begin = time.monotonic()
        async with asyncio.timeout(60):
            while True:
                try:
                    if await self.request("GET", "/healthz") == 200:
                        return time.monotonic() - begin
                except OSError:
                    await asyncio.sleep(0.1)
                self.met["/healthz: tried again"] += 1

    def memory(self) -> str:
        """Resident memory now."""
        return f"{self.process.memory_info().rss / 1e6:.0f} MB in the server's process"


async def hold_half_sent(target: Target) -> None:
    """Keep one half-sent request open, and open the next when the service ends it."""
    while True:
        with contextlib.suppress(OSError):
            async with target.turn:
                reader, writer = await target.open(HEAD.format(method="GET", path="/") + "X-Half: ")
            try:
                await reader.read()
            finally:
                writer.close()
        target.met["half-sent requests ended by the service"] += 1


async def half_sent_requests(target: Target, seconds: float) -> None:
    """Attack with half-sent requests, and visit meanwhile."""
    before = target.log.stat().st_size
    attackers = [asyncio.create_task(hold_half_sent(target)) for _ in range(HALF_SENT)]
    begin, took = time.monotonic(), []
    while time.monotonic() < begin + seconds:
        took.append(await target.health())
        await asyncio.sleep(0.2)
    print(f"{HALF_SENT} half-sent requests, for {seconds:.0f} s: {target.memory()}")
    for attacker in attackers:
        attacker.cancel()
    await asyncio.gather(*attackers, return_exceptions=True)
    print(f"  /healthz, {len(took)} times: median {np.median(took):.3f} s, longest {max(took):.3f} s")
    grown = target.log.stat().st_size - before
    print(f"  log: {grown / seconds * 60 / 1e6:.3f} MB a minute")


async def hold_stream(target: Target, opened: asyncio.Semaphore) -> None:
    """Follow all jobs."""
    async with target.turn:
        reader, writer = await target.open(HEAD.format(method="GET", path="/api/progress") + "\r\n")
    try:
        target.met[f"streams: {(await reader.readline()).split()[1].decode()}"] += 1
        opened.release()
        await reader.read()
        target.met["streams: ended by the service"] += 1
    finally:
        writer.close()


async def busy_hour(target: Target, video: bytes) -> None:
    """Streams, then uploads beside readers."""
    opened = asyncio.Semaphore(0)
    streams = [asyncio.create_task(hold_stream(target, opened)) for _ in range(STREAMS)]
    for _ in range(STREAMS):
        await opened.acquire()
    print(f"{STREAMS} silent event streams: {target.memory()}")

    async def read_on() -> None:
        for _ in range(READS):
            await target.count("reads", "GET", "/api/jobs?limit=100")

    begin = time.monotonic()
    uploads = [target.count("uploads", "POST", f"/api/uploads?name={n}.mp4", video) for n in range(UPLOADS)]
    await asyncio.gather(*uploads, *(read_on() for _ in range(READERS)))
    print(f"and {UPLOADS} uploads of {len(video) / 1e6:g} MB beside {READERS} readers: {target.memory()}")
    print(f"  {time.monotonic() - begin:.0f} s; /healthz afterwards {await target.health():.3f} s")
    for stream in streams:
        stream.cancel()
    await asyncio.gather(*streams, return_exceptions=True)


def make_video(path: Path) -> bytes:
    """A video too short to be scored, filled up with room that nobody uses."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(6):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8)).reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    room = UPLOAD_BYTES - len(content)
    return content + room.to_bytes(4, "big") + b"free" + bytes(room - 8)


async def attack(target: Target, seconds: float, video: bytes) -> None:
    """Wait for the service, then do all of it."""
    await target.health()
    target.met.clear()  # tries until the service had started
    print(f"at rest: {target.memory()}")
    await half_sent_requests(target, seconds)
    await busy_hour(target, video)
    for what, number in sorted(target.met.items()):
        print(f"  {number} {what}")


def main() -> None:
    """Start a service in a temporary folder and attack it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the half-sent requests last")
    seconds = parser.parse_args().seconds
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as listener:
        folder, port = Path(name), listener.getsockname()[1]
        listener.close()
        command = [sys.executable, "-m", "avadclip", "serve", "--port", str(port), "--data", str(folder / "data")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stderr=log)
        try:
            target = Target(port, psutil.Process(process.pid), folder / "log")
            asyncio.run(attack(target, seconds, make_video(folder / "v.mp4")))
            print(f"log of it all: {target.log.stat().st_size / 1e6:.2f} MB; the server runs: {process.poll() is None}")
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
