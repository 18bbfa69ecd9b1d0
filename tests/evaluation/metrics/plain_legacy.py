"""The published mAP protocol once more, sentence by sentence, on frames and sets of frames: slow and easy to check."""

from collections.abc import Sequence

import numpy as np

from avadclip.evaluation.metrics.intervals import TruthInterval

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)


def plain_map(scores: Sequence[np.ndarray], truth: Sequence[Sequence[TruthInterval]], repeat: int) -> list[float]:
    """In [0, 1], at every threshold; `truth` holds what the script finds, class by class."""
    videos = [np.repeat(rows, repeat, axis=0) for rows in scores]
    best = [np.sort(frames, axis=0)[::-1].copy()[: len(frames) // 16] for frames in videos]
    strongest = [top.mean(axis=0) if len(top) else np.zeros(top.shape[1], top.dtype) for top in best]
    num_classes = videos[0].shape[1]
    ranking: list[list[tuple[int, set[int], float]]] = []
    for c in range(num_classes):
        of_class = []
        for v, frames in enumerate(videos):
            curve = frames[:, c] if strongest[v][c] > 0 else frames[:, c] * 0
            threshold = curve.max() - 0.6 * (curve.max() - curve.min())
            runs, run = [], []
            for i, value in enumerate([*curve, threshold]):
                if value > threshold:
                    run.append(i)
                elif run:
                    runs, run = [*runs, run], []
            runs = [run for run in runs if len(run) >= 2]
            found = [(v, set(run), float(curve[run].max() + 0.7 * strongest[v][c])) for run in runs]
            of_class += sorted(found, key=lambda proposal: -proposal[2])
        if not of_class:
            return [0.0] * 5
        ranking.append(sorted(of_class, key=lambda proposal: -proposal[2]))
    return [np.mean([plain_ap(ranking[c], c, truth, least) for c in range(num_classes)]) for least in THRESHOLDS]


def plain_ap(
    ranking: list[tuple[int, set[int], float]], c: int, truth: Sequence[Sequence[TruthInterval]], least: float
) -> float:
    unused = [
        (v, set(range(int(start), int(end))))
        for v, intervals in enumerate(truth)
        for which, start, end in intervals
        if which == c
    ]
    num_truths, hits, total = len(unused), 0, 0.0
    for rank, (video, frames, _) in enumerate(ranking, 1):
        overlaps = [len(frames & other) / len(frames | other) if v == video else 0.0 for v, other in unused]
        if overlaps and max(overlaps) >= least:
            del unused[overlaps.index(max(overlaps))]
            hits += 1
            total += hits / rank
    return total / num_truths if hits else 0.0
