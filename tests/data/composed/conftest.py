"""A folder of made recordings: moving colours, and sounds of 16 bits."""

import csv
import wave
from pathlib import Path

import numpy as np
import pytest

from avadclip.data.bags import Dataset
from avadclip.data.composed.dataset import ComposedPlan, load_composed, plan_composed
from avadclip.encoders.base import Encoders
from avadclip.encoders.load import load_encoders

from ...media.made_videos import write_video

RATE_HZ = 16_000
NUM_SESSIONS = 3
PICTURES = {"fighting": "event", "walking": "hard negative", "yard": "background"}
SOUNDS = {"gunshot": "event", "siren": "event", "thunder": "hard negative", "rain": "background"}
COLUMNS = ("file", "kind", "label", "session", "licence", "share_alike", "role")


def write_sound(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())


def made_sound(label: str, random: np.random.Generator) -> np.ndarray:
    time = np.arange(4 * RATE_HZ) / RATE_HZ
    match label:
        case "gunshot":  # half a second in the middle of digital silence
            return 0.5 * random.standard_normal(len(time)).clip(-1, 1) * (np.abs(time - 2) < 0.25)
        case "siren":
            return 0.3 * np.sin(2 * np.pi * (600 + 50 * random.random()) * time)
        case "thunder":
            return 0.4 * np.sin(2 * np.pi * (60 + 20 * random.random()) * time) * np.exp(-time)
        case _:
            return 0.05 * random.standard_normal(len(time)).clip(-3, 3)


def make_recordings(folder: Path) -> Path:
    """Three sessions of every label, and one more of gunshot, rain and speech under a share-alike licence."""
    folder.mkdir()
    rows = []

    def add(file: str, kind: str, label: str, session: str, role: str, *, share_alike: bool = False) -> None:
        licence = "CC BY-SA 4.0" if share_alike else f"CC BY 4.0, {label}"
        rows.append((file, kind, label, session, licence, int(share_alike), role))

    for number, (label, role) in enumerate(PICTURES.items()):
        for session in range(NUM_SESSIONS):
            random = np.random.default_rng([number, session])
            size = (48, 64) if session % 2 else (64, 48)
            start, drift = random.integers(0, 200, (*size, 3)), random.integers(1, 5)
            pictures = [((start + drift * frame) % 256).astype(np.uint8) for frame in range(48)]
            write_video(folder / f"{label}{session}.mkv", num_frames=48, pictures=pictures, size=size)
            add(f"{label}{session}.mkv", "picture", label, f"{label} {session}", role)
    for number, (label, role) in enumerate([*SOUNDS.items(), ("speech", "hard negative")]):
        for session in range(NUM_SESSIONS + 1):
            share_alike = session == NUM_SESSIONS
            if (label == "speech") > share_alike:
                continue
            write_sound(
                folder / f"{label}{session}.wav", made_sound(label, np.random.default_rng([9, number, session]))
            )
            add(f"{label}{session}.wav", "sound", label, f"{label} {session}", role, share_alike=share_alike)
    with (folder / "recordings.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return folder


@pytest.fixture(scope="session")
def recordings_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recordings(tmp_path_factory.mktemp("composed") / "recordings")


@pytest.fixture(scope="session")
def lite() -> Encoders:
    return load_encoders("lite")


@pytest.fixture(scope="session")
def planned(recordings_folder: Path) -> ComposedPlan:
    """All sequences of `small`."""
    return plan_composed("small", recordings_folder)


@pytest.fixture(scope="session")
def tiny(recordings_folder: Path, lite: Encoders) -> Dataset:
    return load_composed(f"tiny:{recordings_folder}", encoders=lite)
