"""Real processes that read real files, hang and die."""

import errno
import os
import signal
import socket
import time

import pytest

from avadclip.apps.live.camera import CameraOptions, Opened
from avadclip.apps.live.camera_process import CameraProcess
from avadclip.apps.live.inbox import CameraFinished, Connecting, Inbox, Lost
from avadclip.apps.live.live_snippet import LiveSnippet
from avadclip.timeline import SnippetGrid

PATIENCE = 60.0  # seconds; a busy machine is no failure


@pytest.fixture
def follow(tmp_path):
    started = []

    def start(source, *, speed=1.0, watchdog=PATIENCE):
        inbox = Inbox()
        options = CameraOptions(str(source), SnippetGrid(), (0, 8), (32, 32), 1.0, speed)
        camera = CameraProcess("yard", options, inbox, queue_seconds=5.0, watchdog_seconds=watchdog)
        camera.start()
        started.append(camera)
        return camera, lambda: inbox.get(PATIENCE)[1]

    yield start
    for camera in started:
        camera.stop()
    for camera in started:
        camera.join(PATIENCE)
        assert not camera.is_alive()


def test_a_file_is_played_once_and_finished(follow, write_yard, tmp_path) -> None:
    _, news = follow(write_yard(tmp_path / "yard.mkv", [0.2, 0.8, 0.2]), speed=100.0)
    told = [news()]
    while not isinstance(told[-1], CameraFinished):
        told.append(news())
    assert [type(each) for each in told] == [Connecting, Opened, *[LiveSnippet] * 3, CameraFinished]
    assert told[1] == Opened(32, 32, has_sound=True)
    assert [each.frames[0].mean() / 255 for each in told[2:5]] == pytest.approx([0.2, 0.8, 0.2], abs=0.02)


def test_a_process_that_dies_is_started_again(follow, write_yard, tmp_path) -> None:
    camera, news = follow(write_yard(tmp_path / "yard.mkv", [0.5] * 60))
    while not isinstance(news(), LiveSnippet):
        pass
    os.kill(camera.process_id, signal.SIGKILL)
    while not isinstance(lost := news(), Lost):
        pass
    assert lost == Lost("reader process died (exit code -9)", 1.0)
    while not isinstance(news(), LiveSnippet):
        pass
    assert camera.num_starts == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_leaves_the_end_to_the_parent(follow, write_yard, tmp_path, number) -> None:
    camera, news = follow(write_yard(tmp_path / "yard.mkv", [0.5] * 4))
    while not isinstance(news(), LiveSnippet):
        pass
    os.kill(camera.process_id, number)
    told = [news()]
    while not isinstance(told[-1], CameraFinished):
        told.append(news())
    assert {type(each) for each in told} == {LiveSnippet, CameraFinished}
    assert camera.num_starts == 1


def test_a_process_that_hangs_is_killed_by_the_watchdog(follow, write_yard, tmp_path) -> None:
    camera, news = follow(write_yard(tmp_path / "yard.mkv", [0.5] * 60), watchdog=5.0)
    while not isinstance(news(), LiveSnippet):
        pass
    hung = camera.process_id
    os.kill(hung, signal.SIGSTOP)
    while not isinstance(lost := news(), Lost):
        pass
    assert lost.reason == "no frames for 5 s"
    while not isinstance(news(), LiveSnippet):
        pass
    with pytest.raises(ProcessLookupError):
        os.kill(hung, 0)


def test_a_process_that_cannot_be_started_is_tried_again(follow, write_yard, tmp_path, monkeypatch) -> None:
    start, errors = CameraProcess._start, [OSError(errno.EMFILE, "Too many open files")]
    monkeypatch.setattr(CameraProcess, "_start", lambda self: _raise(errors.pop()) if errors else start(self))
    _, news = follow(write_yard(tmp_path / "yard.mkv", [0.5]), speed=100.0)
    told = [news() for _ in range(2)]
    assert told == [Connecting(), Lost("OSError: [Errno 24] Too many open files", 1.0)]
    while not isinstance(news(), CameraFinished):
        pass


def _raise(error):
    raise error


def test_a_source_that_does_not_answer_is_tried_again_later_and_later(follow) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    _, news = follow(f"rtsp://user:secret@127.0.0.1:{port}/yard")
    waits, begun = [], time.monotonic()
    while len(waits) < 3:
        if isinstance(lost := news(), Lost):
            waits.append(lost.retry_seconds)
            assert "secret" not in lost.reason
    assert waits == [1.0, 2.0, 4.0]
    assert time.monotonic() - begun >= 3.0
