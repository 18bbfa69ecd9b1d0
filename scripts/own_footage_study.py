"""Measure `avadclip train FOLDER` beside the documented recipe on few of the shared clips, as a new user meets them.

    AVADCLIP_DATA=/path/to/data python scripts/own_footage_study.py [NUM ..]

Needs surveillance_fights/ in AVADCLIP_DATA; 20, 60 and 200 clips by default. Runs are kept in runs/own-footage; prints
a Markdown table. `starter` was trained on these clips, so everything begins with random weights.
"""

import csv
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avadclip.apps.own_footage.collect import OwnFootage, collect, read_labelled
from avadclip.apps.own_footage.jobs import TrainedJob
from avadclip.apps.own_footage.measure import Measured, divide, measure
from avadclip.apps.own_footage.networks import describe_videos
from avadclip.apps.own_footage.run import FEATURES, TRAININGS, train_on_footage
from avadclip.config import TrainingConfig
from avadclip.data.splits import hold_out
from avadclip.errors import AvadclipError, DataError
from avadclip.files import write_atomically
from avadclip.inference.networks import VISUAL_STUDENT
from avadclip.inference.scoring import score_features
from avadclip.training.loop import Supervision, train_network

SIZES = (20, 60, 200)
SEED = 0  # of the draw of sources
DOCUMENTED = {
    "network_kind": VISUAL_STUDENT,
    "encoders": "lite",
    "network": {"embed_dim": 128, "input_dropout": 0.8},
    "optimizer": {"learning_rate": 1e-4, "batch_size": 16, "epochs": 8, "milestones": [4, 6]},
}
"""The recipe of docs/training.md, which takes the best epoch on a held-out tenth."""


class Row(NamedTuple):
    """One line of the table."""

    videos: str
    command: Measured
    recipe: Measured
    minutes: float
    """Of the whole command."""


def draw_labels(data: Path, num_clips: int, path: Path) -> Path:
    """Write the labels of clips from so many sources, drawn one after the other, as it takes; both classes occur."""
    with (data / "clips.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    of_source: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        of_source.setdefault(row["source"], []).append(row)
    drawn: list[dict[str, str]] = []
    for source in np.random.default_rng(SEED).permutation(sorted(of_source)):
        if len(drawn) >= num_clips:
            break
        # A source of fifty clips would be all there is of twenty.
        drawn += of_source[source][: max(2, num_clips // 10)]
    if len({row["label"] for row in drawn[:num_clips]}) < 2:
        raise DataError(f"the {num_clips} clips drawn are of one class; draw more")
    lines = [f"{data / row['file']},{row['label']},{row['source']}\n" for row in drawn[:num_clips]]
    write_atomically(path, "video,label,group\n" + "".join(lines))
    return path


def measure_recipe(footage: OwnFootage) -> Measured:
    """The documented recipe in the same folds: in each, the epoch that is best on a tenth held out of the others."""
    scores: dict[str, list[float]] = {}
    config = TrainingConfig.model_validate(DOCUMENTED)
    for held_out in divide(footage.bags):
        rest = [bag for index, bag in enumerate(footage.bags) if index not in set(held_out)]
        train, validation = hold_out(rest)
        trained = train_network(train, config, Supervision(footage.classes, validation=validation))
        for index in held_out:
            bag = footage.bags[index]
            scores[bag.name] = score_features(trained.best, bag.load()).anomaly_scores.tolist()
    measured = measure(VISUAL_STUDENT, footage.bags, scores)
    assert measured is not None, "both classes were drawn"
    return measured


def study(data: Path, num_clips: int, folder: Path) -> Row:
    """One line."""
    videos = read_labelled(draw_labels(data, num_clips, folder / f"clips-{num_clips}.csv"))
    out = folder / str(num_clips)
    begun = time.monotonic()
    train_on_footage(videos, out, name=f"{num_clips} clips", from_scratch=True)
    minutes = (time.monotonic() - begun) / 60
    footage = collect(videos, out / FEATURES)
    scores: dict[str, list[float]] = {}
    for path in sorted((out / TRAININGS).glob("fold-*.json")):
        scores |= TrainedJob.model_validate_json(path.read_bytes()).scores[VISUAL_STUDENT]
    command = measure(VISUAL_STUDENT, footage.bags, scores)
    assert command is not None, "both classes were drawn"
    return Row(describe_videos(footage.bags), command, measure_recipe(footage), minutes)


def show(measured: Measured) -> str:
    """AUC with its interval, and the share of anomalous and of normal videos at the threshold."""
    (found, num_anomalous), (false, num_normal) = (measured.flagged(anomalous=kind) for kind in (True, False))
    auc = measured.auc
    return f"{auc.value:.2f} [{auc.low:.2f}, {auc.high:.2f}]; {found}/{num_anomalous}, {false}/{num_normal}"


def main() -> None:
    """Print the table."""
    if "AVADCLIP_DATA" not in os.environ:
        raise DataError("AVADCLIP_DATA is not set; name the folder that holds surveillance_fights/")
    data = Path(os.environ["AVADCLIP_DATA"]).resolve() / "surveillance_fights"
    folder = Path(__file__).parents[1] / "runs/own-footage"
    print("| clips | `avadclip train FOLDER` | recipe, best epoch | minutes |\n|---|---|---|---|")
    for num_clips in [int(each) for each in sys.argv[1:]] or SIZES:
        row = study(data, num_clips, folder)
        print(f"| {row.videos} | {show(row.command)} | {show(row.recipe)} | {row.minutes:.1f} |", flush=True)


if __name__ == "__main__":
    try:
        main()
    except AvadclipError as error:
        sys.exit(f"own_footage_study: {error}")
