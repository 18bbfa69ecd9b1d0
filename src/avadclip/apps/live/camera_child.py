"""A camera's own process: it decodes, sends snippets and records, without model and PyTorch."""

import resource
import signal
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from av.packet import Packet

from avadclip.apps.live.camera import CameraOptions, open_camera
from avadclip.apps.live.recording.packet_recorder import PacketRecorder
from avadclip.encoders.downloads.notice import go_offline
from avadclip.errors import AvadclipError
from avadclip.media.stream import without_password

MAX_MEMORY_BYTES = 8 * 1024**3  # of address space; a damaged stream must not exhaust the machine's memory


@dataclass(frozen=True)
class BeginRecording:
    """Command to record the buffered and the following packets into a file."""

    path: Path
    max_seconds: float


@dataclass(frozen=True)
class EndRecording:
    """Command to record for some more seconds, then finish the file."""

    path: Path
    after_seconds: float


Command = BeginRecording | EndRecording


@dataclass(frozen=True)
class RecordingFailed:
    """A recording that could not be written whole."""

    event: str
    """Its id."""
    reason: str


@dataclass(frozen=True)
class Ended:
    """End of a connection."""

    reason: str
    is_finished: bool
    """Whether a recording was played to its end."""


def run_camera(options: CameraOptions, buffer_seconds: float | None, pipe: Connection) -> None:
    """Read one connection to its end; send Opened, snippets, RecordingFailed and Ended; execute commands meanwhile.

    Args:
        options: what to read.
        buffer_seconds: length of the buffer for recordings; None without recordings.
        pipe: to the parent; the process ends when it is closed.
    """
    go_offline()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # ctrl-C and systemd reach the whole group; the parent ends us in order
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(BrokenPipeError, ConnectionResetError, EOFError):  # the parent closed the pipe
        try:
            ended = _read(options, buffer_seconds, pipe)
        except (AvadclipError, MemoryError) as error:
            ended = Ended(without_password(str(error) or type(error).__name__), is_finished=False)
        pipe.send(ended)


def _read(options: CameraOptions, buffer_seconds: float | None, pipe: Connection) -> Ended:
    def report(path: Path, reason: str) -> None:
        pipe.send(RecordingFailed(path.stem, reason))

    with open_camera(options) as reader:
        streams = [reader.picture] if reader.sound is None else [reader.picture, reader.sound]
        recorder = PacketRecorder(streams, buffer_seconds, report) if buffer_seconds is not None else None

        def tap(packet: "Packet[Any]") -> None:
            if recorder is None:
                return
            recorder.add(packet)
            while pipe.poll():
                _execute(pipe.recv(), recorder)

        pipe.send(reader.opened)
        try:
            for snippet in reader.snippets(tap):
                pipe.send(snippet)
        finally:
            if recorder is not None:
                recorder.close()
        return Ended(reader.end_reason, reader.is_finished)


def _execute(command: Command, recorder: PacketRecorder) -> None:
    if isinstance(command, BeginRecording):
        recorder.begin(command.path, command.max_seconds)
    else:
        recorder.end(command.path, command.after_seconds)
