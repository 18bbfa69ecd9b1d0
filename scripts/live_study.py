"""Measure what causal scoring costs on composed footage against scoring whole videos; prints the table of docs/live.md.

    AVADCLIP_DATA=/path/to/data python scripts/live_study.py

The students of the starter recipes, trained on four folds by session; the test sequences of the fifth, four at a time
one behind the other, are the footage. Features are kept in runs/starter.
"""

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score
from starter_data import NUM_FOLDS, Material
from starter_folds import train_role
from train_starter import SEEDS, material

from avadclip.errors import AvadclipError
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.networks import AUDIO_STUDENT, VISUAL_STUDENT
from avadclip.inference.scoring import score_features
from avadclip.model.base import Bags, System
from avadclip.model.either import BothStudents

WHOLE = "whole video"
WINDOWS = (8, 64, 128)
"""Snippets, strictly causal."""
LATENCIES = (2, 8)
"""Snippets waited for, in a window of DEFAULT_WINDOW."""
DEFAULT_WINDOW = 64
SEQUENCES_JOINED = 4  # 85 s
WINDOWS_PER_BATCH = 32


def ways() -> dict[str, tuple[int, int]]:
    """Window and latency in snippets by the name of the row."""
    causal = {f"window {window}, latency 0": (window, 0) for window in WINDOWS}
    return causal | {f"window {DEFAULT_WINDOW}, latency {late}": (DEFAULT_WINDOW, late) for late in LATENCIES}


@torch.inference_mode()
def causal_scores(
    system: System, sequences: list[SnippetFeatures], window: int, latency: int
) -> list[NDArray[np.float64]]:
    """Scores as apps.live.causal.CausalScorer gives them: each from the window that ends `latency` snippets later.

    Windows of one length share a pass, whichever sequence they are from.
    """
    totals = [len(features) for features in sequences]
    offsets = np.cumsum([0, *totals[:-1]])
    stops = [np.minimum(np.arange(total) + latency + 1, total) for total in totals]
    first = np.concatenate([np.maximum(stop - window, 0) + place for stop, place in zip(stops, offsets, strict=True)])
    last = np.concatenate([stop + place for stop, place in zip(stops, offsets, strict=True)])
    joined = join_features(sequences)
    scores = np.empty(sum(totals))
    for length in np.unique(last - first):
        alike = np.flatnonzero(last - first == length)
        for group in np.array_split(alike, -(-len(alike) // WINDOWS_PER_BATCH)):
            rows = first[group][:, None] + np.arange(length)  # [B, length]
            audio = None if joined.audio is None else torch.from_numpy(joined.audio[rows])
            bags = Bags(torch.from_numpy(joined.visual[0][rows]), audio, torch.ones(rows.shape, dtype=torch.bool))
            of_windows = system(*bags).scores
            scores[group] = of_windows[torch.arange(len(group)), torch.from_numpy(group - first[group])].numpy()
    return np.split(scores, offsets[1:])


def score_in_every_way(system: System, sequences: list[SnippetFeatures]) -> dict[str, list[NDArray[np.float64]]]:
    """Scores per snippet of every sequence, by the way they were made."""
    whole = [score_features(system, features).anomaly_scores.astype(np.float64) for features in sequences]
    causal = {name: causal_scores(system, sequences, *settings) for name, settings in ways().items()}
    return {WHOLE: whole} | causal


def measure(own: Material, seed: int) -> dict[str, tuple[float, float]]:
    """ROC AUC and average precision over all snippets of one seed, by the way of scoring."""
    of = own.folds(seed)
    train = [own.sequences(seed, "train", fold) for fold in range(NUM_FOLDS)]
    truths: list[NDArray[np.bool_]] = []
    pooled: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for fold in range(NUM_FOLDS):
        composed = [bag for other, bags in enumerate(train) if other != fold for bag in bags]
        videos = [bag for bag in (*own.fights, *own.ordinary) if of[bag.group] != fold]
        students = [train_role(name, composed, videos, seed=seed) for name in (VISUAL_STUDENT, AUDIO_STUDENT)]
        test = own.sequences(seed, "test", fold)
        parts = [test[start : start + SEQUENCES_JOINED] for start in range(0, len(test), SEQUENCES_JOINED)]
        truths += [bag.composition.event_kinds != "" for bag in test if bag.composition is not None]
        footage = [join_features([bag.load() for bag in part]) for part in parts]
        for way, scores in score_in_every_way(BothStudents(*students), footage).items():
            pooled[way] += scores
    truth = np.concatenate(truths)
    scores = {way: np.concatenate(each) for way, each in pooled.items()}
    return {way: (roc_auc_score(truth, each), average_precision_score(truth, each)) for way, each in scores.items()}


def join_features(parts: Sequence[SnippetFeatures]) -> SnippetFeatures:
    """One behind the other."""
    return replace(
        parts[0],
        visual=np.concatenate([part.visual for part in parts], axis=1),
        audio=np.concatenate([part.audio for part in parts if part.audio is not None]),
        tags=None,
    )


def print_table(runs: list[dict[str, tuple[float, float]]]) -> None:
    """Means over seeds, Markdown; AP and its difference from the whole video."""
    print("| both students | AUC | AP | against whole video |")
    print("|---|---|---|---|")
    for way in (WHOLE, *ways()):
        auc, ap = np.mean([run[way] for run in runs], axis=0)
        loss = [run[way][1] - run[WHOLE][1] for run in runs]
        print(f"| {way} | {auc:.3f} | {ap:.3f} | {np.mean(loss):+.3f} ({min(loss):+.3f} to {max(loss):+.3f}) |")


def main() -> None:
    """Train, score, print."""
    own, runs = material(), []
    for seed in SEEDS:
        runs.append(measure(own, seed))
        print(f"{len(runs)} of {len(SEEDS)} seeds done", file=sys.stderr, flush=True)
    print_table(runs)


if __name__ == "__main__":
    torch.set_num_threads(1)
    try:
        main()
    except AvadclipError as error:
        sys.exit(f"live_study: {error}")
