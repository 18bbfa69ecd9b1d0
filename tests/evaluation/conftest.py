import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from avadclip.evaluation.metrics.intervals import TruthInterval
from avadclip.labels import XD_VIOLENCE_CODES

CODES = list(XD_VIOLENCE_CODES)


@dataclass(frozen=True)
class XdTestSet:
    """The 800 test videos of XD-Violence in the published order, with the truth of the published mAP script."""

    folder: Path
    names: tuple[str, ...]
    truth: dict[str, tuple[TruthInterval, ...]]
    num_snippets: dict[str, int]


@pytest.fixture(scope="session")
def xd_test_set(development_data: Path) -> XdTestSet:
    folder = development_data / "xd_violence"
    with (folder / "test_videos.csv").open() as file:
        names = tuple(row["video"] for row in csv.DictReader(file))
    intervals = np.load(folder / "legacy_event_intervals.npy", allow_pickle=True)
    labels = np.load(folder / "legacy_event_labels.npy", allow_pickle=True)
    truth = {
        name: tuple(
            TruthInterval(CODES.index(code), int(start), int(end))
            for (start, end), code in zip(starts_and_ends, codes, strict=True)
        )
        for name, starts_and_ends, codes in zip(names, intervals, labels, strict=True)
    }
    counts = dict(line.rsplit("@", 1) for line in (folder / "test_frame_counts.txt").read_text().split())
    num_snippets = {
        name: int(truth[name][0].end if truth[name][0].class_index == 0 else counts[name]) // 16 for name in names
    }
    return XdTestSet(folder, names, truth, num_snippets)
