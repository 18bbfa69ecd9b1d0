"""Measure what causal scoring costs on the shared fights against scoring whole videos; prints tables for docs/live.md.

    AVADCLIP_DATA=/path/to/data python scripts/live_study.py

Networks of the starter recipe, trained on four folds by recording; the fifth fold's clips are composed into sequences,
as for docs/fights.md. Features are kept in runs/starter-features.
"""

import os
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from fights_data import read_clips
from fights_folds import SEQUENCES_PER_FOLD, compose, folds, frame_metrics, is_audible, join_features, train_candidate
from numpy.typing import NDArray
from train_starter import REPOSITORY, STUDENT, TEACHER, build_candidates

from avadclip.config import TrainingConfig, read_config
from avadclip.data.bags import Bag
from avadclip.errors import AvadclipError, DataError
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.scoring import score_features
from avadclip.model.base import Bags, System

SEEDS = (0, 1, 2)
WHOLE = "whole video"
WINDOWS = (8, 64, 128)
"""Snippets, strictly causal."""
LATENCIES = (2, 8)
"""Snippets waited for, in a window of DEFAULT_WINDOW."""
DEFAULT_WINDOW = 64
ARRANGEMENTS = ("isolated", "blocks")
WINDOWS_PER_BATCH = 32

Key = tuple[str, str, str]
"""System, arrangement, way of scoring."""


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


def measure(bags: list[Bag], seed: int) -> dict[Key, tuple[float, float]]:
    """ROC AUC and average precision over all snippets of one seed's sequences."""
    candidates = build_candidates(read_config(REPOSITORY / "configs/starter.toml", TrainingConfig))
    pooled = defaultdict(list)
    audible = is_audible(bags)
    for number, (train, test) in enumerate(folds(bags, seed)):
        trained: dict[str, System] = {}
        for name in (TEACHER, STUDENT):
            allowed = audible if candidates[name].audible_only else np.ones(len(bags), dtype=bool)
            trained[name] = train_candidate(candidates[name], [bags[i] for i in train if allowed[i]], seed, trained)
            own_test = [bags[i] for i in test if allowed[i]]
            draw = np.random.default_rng([seed, number])
            for arrangement in ARRANGEMENTS:
                composed = [compose(own_test, arrangement, draw) for _ in range(SEQUENCES_PER_FOLD)]
                features = [join_features([bag.load() for bag in sequence]) for sequence in composed]
                if name == STUDENT:
                    features = [replace(each, audio=None) for each in features]
                truths = [np.concatenate([np.full(len(b.load()), float(b.is_anomalous)) for b in s]) for s in composed]
                for way, scores in score_in_every_way(trained[name], features).items():
                    pooled[name, arrangement, way] += zip(truths, scores, strict=True)
    return {key: frame_metrics(parts) for key, parts in pooled.items()}


def print_tables(runs: list[dict[Key, tuple[float, float]]]) -> None:
    """Means over seeds, Markdown; AP and its difference from the whole video."""
    for name in (TEACHER, STUDENT):
        print(f"\n| {name} | isolated: AUC | AP | against whole video | blocks: AUC | AP | against whole video |")
        print("|---|---|---|---|---|---|---|")
        for way in (WHOLE, *ways()):
            cells = []
            for arrangement in ARRANGEMENTS:
                auc, ap = np.mean([run[name, arrangement, way] for run in runs], axis=0)
                loss = [run[name, arrangement, way][1] - run[name, arrangement, WHOLE][1] for run in runs]
                cells += [f"{auc:.3f}", f"{ap:.3f}", f"{np.mean(loss):+.3f} ({min(loss):+.3f} to {max(loss):+.3f})"]
            print(f"| {way} | {' | '.join(cells)} |")


def main() -> None:
    """Train, score, print."""
    if "AVADCLIP_DATA" not in os.environ:
        raise DataError("AVADCLIP_DATA is not set; name the folder that holds surveillance_fights/")
    clips = read_clips(Path(os.environ["AVADCLIP_DATA"]) / "surveillance_fights", REPOSITORY / "runs/starter-features")
    runs = []
    for seed in SEEDS:
        runs.append(measure(clips.bags, seed))
        print(f"{len(runs)} of {len(SEEDS)} seeds done", file=sys.stderr, flush=True)
    print_tables(runs)


if __name__ == "__main__":
    torch.set_num_threads(1)
    try:
        main()
    except AvadclipError as error:
        sys.exit(f"live_study: {error}")
