import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import avadclip.inference.detector
from avadclip.errors import AvadclipError, MediaError
from avadclip.inference.detector import Detection


class FakeDetector:
    """Stands in for a model: what a file holds says what is found in it."""

    def __init__(self, make: Callable[..., Detection]) -> None:
        self._make = make
        self.loaded: dict[str, Any] = {}
        self.calls: list[dict[str, Any]] = []

    def detect(self, path: Path, **options: Any) -> Detection:
        self.calls.append({"path": str(path), **options})
        try:
            content = path.read_text()
        except OSError as error:
            raise MediaError(f"{path} cannot be read ({error.strerror}); name a video file") from error
        if content == "broken":
            raise MediaError(f"{path} is not a video this tool reads; check\nthat it plays")
        if content == "refused":
            raise PermissionError(13, "Permission denied", str(path))
        if content == "interrupted":
            raise KeyboardInterrupt
        made = self._make(
            60, source=str(path), quiet=content == "quiet", with_sound=content == "sound", notes=("odd: 5 fps",)
        )
        return dataclasses.replace(made, source=str(path))


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch, made_up: Callable[..., Detection]) -> FakeDetector:
    fake = FakeDetector(made_up)

    def load_detector(model: str, **options: Any) -> FakeDetector:
        if model.endswith(".pt"):
            raise AvadclipError(f"{model} is not a checkpoint of avadclip; give a .safetensors file")
        fake.loaded = {"model": model, **options}
        return fake

    monkeypatch.setattr(avadclip.inference.detector, "load_detector", load_detector, raising=False)
    return fake


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in: yard/{a,b}.mp4, yard/deep/a.mkv, yard/notes.txt; the working directory is above it."""
    for name, content in {"a.mp4": "sound", "b.mp4": "quiet", "deep/a.mkv": "silent", "notes.txt": ""}.items():
        path = tmp_path / "yard" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "yard"
