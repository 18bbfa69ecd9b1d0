"""A small XD-Violence in the published format: real names and codes, few videos, narrow features."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

WIDTH = 8
CROPS = range(3)
TRAIN = {  # name: snippets
    "Film.A.1999__#00-01-00_00-01-20_label_B1-0-0": 30,
    "Film.A.1999__#00-02-00_00-02-20_label_A": 31,
    "Film.B.2001__#00-01-00_00-01-20_label_B2-G-0": 32,
    "Film.B.2001__#00-03-00_00-03-20_label_A": 33,
    "v=abc__#1_label_G": 300,
    "v=def__#1_label_A": 5,
}
TEST = {  # name: frames
    "Film.C.2003__#00-01-00_00-01-20_label_B2-G-0": 480,
    "Film.C.2003__#00-05-00_00-05-20_label_A": 320,
    "v=ghi__#1_label_B1-0-0": 165,
    "v=jkl__#1_label_A": 97,
}
ANNOTATIONS = "Film.C.2003__#00-01-00_00-01-20_label_B2-G-0 10 40 100 200\nv=ghi__#1_label_B1-0-0.mp4 150 165\n"
CLASSES = (
    "Film.C.2003__#00-01-00_00-01-20_label_B2-G-0 B2 10 40 B2 100 150 G 151 200\nv=ghi__#1_label_B1-0-0 B1 150 165\n"
)


def code(name: str) -> str:
    return name.rpartition("_label_")[2]


def rows(name: str, length: int, salt: int = 0) -> np.ndarray:
    """Every file has rows of its own."""
    seed = [salt, *name.encode()]
    return np.random.default_rng(seed).normal(size=(length, WIDTH)).astype(np.float32)


def write_video(folder: Path, name: str, length: int, *, crops: range = CROPS, split: str = "Train") -> None:
    for crop in crops:
        np.save(folder / f"XD{split}ClipFeatures" / f"{name}__{crop}.npy", rows(name, length, crop))
    np.save(folder / f"XD{split}ClapFeatures" / f"{name}.npy", rows(name, length, 99))


def write_lists(folder: Path, train: Mapping[str, int], test: Mapping[str, int]) -> None:
    for file, names in (("train_videos.csv", train), ("test_videos.csv", test)):
        (folder / file).write_text("video,label\n" + "".join(f"{name},{code(name)}\n" for name in names))
    (folder / "annotations.txt").write_text(ANNOTATIONS)
    (folder / "annotations_multiclasses.txt").write_text(CLASSES)
    (folder / "test_frame_counts.txt").write_text("".join(f"{name}@{num}\n" for name, num in test.items()))


def build(folder: Path) -> Path:
    """As unpacked from the authors' download, with the lists beside it."""
    for split in ("Train", "Test"):
        for kind in ("Clip", "Clap"):
            (folder / f"XD{split}{kind}Features").mkdir(parents=True)
    for name, length in TRAIN.items():
        write_video(folder, name, length)
    for name, num_frames in TEST.items():
        write_video(folder, name, num_frames // 16, crops=range(1), split="Test")
    write_lists(folder, TRAIN, TEST)
    return folder
