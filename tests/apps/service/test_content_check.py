"""The process that probes untrusted files: a video is not blamed for the death of an idle process."""

import asyncio
import os
import signal
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path

import pytest

from avadclip.apps.service.jobs import content_check
from avadclip.apps.service.jobs.content_check import ContentCheck
from avadclip.errors import MediaError


@pytest.fixture
def check() -> Iterator[ContentCheck]:
    check = ContentCheck()
    yield check
    check.close()


def test_a_process_that_died_while_idle_is_replaced(check: ContentCheck, sample_videos: tuple[Path, Path]) -> None:
    before = asyncio.run(check.probe(sample_videos[0]))
    for child in active_children():
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
    assert asyncio.run(check.probe(sample_videos[0])) == before


def test_a_video_that_ends_its_reader_every_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_check, "_answer", _end)
    with pytest.raises(MediaError, match="crashed or blocked its reader"):
        asyncio.run(ContentCheck().probe(Path("evil.mp4")))


def _end(_connection: object) -> None:
    os._exit(1)
