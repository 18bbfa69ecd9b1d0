import sys
from collections.abc import Callable
from typing import Any

import av
import pytest
import torch

import avadclip.inference.detector
from avadclip import __version__
from avadclip.apps.cli.installation import doctor
from avadclip.errors import WeightsError

Command = Callable[..., tuple[int, str, str]]


def test_a_working_installation_is_described(avadclip_command: Command) -> None:
    code, out, err = avadclip_command("doctor")
    assert (code, err) == (0, "")
    for fact in (
        f"avadclip {__version__}, Python {sys.version.split()[0]}",
        f"torch {torch.__version__}",
        f"FFmpeg {av.ffmpeg_version_info}",
        "h264, hevc, av1, vp9, aac, opus\n",
        "train        installed",
    ):
        assert fact in out
    assert out.splitlines()[-1].split()[:2] == ["detect", "works,"]


def test_what_is_missing_is_named_with_how_to_get_it(
    avadclip_command: Command, detector: Any, empty_caches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.setitem(doctor.DECODERS, "av1", "no such decoder")
    monkeypatch.setattr(doctor, "LIBRARIES", ("torch", "no-such-library"))
    out = avadclip_command("doctor")[1]
    assert "wav2clip     missing: avadclip weights get wav2clip" in out
    assert "live         missing apprise: pip install 'avadclip[live]'; for a webhook, MQTT or a notice" in out
    assert "missing: av1; install PyAV's own wheel" in out
    assert "no-such-library missing: pip install no-such-library" in out


def test_where_detect_cannot_work_the_exit_code_is_1(
    avadclip_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise WeightsError("the weights of the `lite` encoders are missing; run `pip install it`")

    monkeypatch.setattr(avadclip.inference.detector, "load_detector", fail)
    code, out, _ = avadclip_command("doctor")
    assert code == 1
    assert out.endswith(
        "detect    does not work: the weights of the `lite` encoders are missing; run `pip install it`\n"
    )


def test_a_broken_library_leaves_the_other_checks(avadclip_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ImportError("libcuda.so.1: wrong ELF class")

    monkeypatch.setitem(doctor.SECTIONS, "devices", fail)
    out = avadclip_command("doctor")[1]
    assert "devices   does not work: libcuda.so.1: wrong ELF class\n" in out
    assert "extras    train" in out
