"""Processes that others start never download."""

import multiprocessing

import pytest

from avadclip.apps.archive.worker import ArchiveWorker
from avadclip.apps.live.camera_child import run_camera
from avadclip.apps.service.jobs import worker as service_worker
from avadclip.encoders.downloads.notice import is_offline
from avadclip.errors import WeightsError


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")


class Job:
    """Loads nothing, and says whether it could have downloaded."""

    def load(self) -> None:
        raise WeightsError(f"offline: {is_offline()}")


def test_a_worker_of_an_archive_is_offline(online, tmp_path):
    assert ArchiveWorker(Job(), str(tmp_path)).introduce() == "offline: True"


def test_a_job_of_the_service_is_offline(online):
    ours, theirs = multiprocessing.Pipe()
    service_worker._work(theirs, Job().load)
    assert ours.recv() == service_worker.Refused("offline: True")


def test_a_camera_is_offline(online, monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("resource.setrlimit", lambda *_: None)
    monkeypatch.setattr("avadclip.apps.live.camera_child.open_camera", lambda _: Job().load())
    ours, theirs = multiprocessing.Pipe()
    run_camera(object(), None, theirs)
    assert "offline: True" in ours.recv().reason


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("true", True), ("ON", True), ("0", False), ("", False)])
def test_the_switch_is_read_as_hugging_face_reads_it(monkeypatch, value, expected):
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert is_offline() is expected
